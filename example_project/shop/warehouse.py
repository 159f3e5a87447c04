"""Jobs that one worker claims, and the leaderboard."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from django.contrib import messages
from django.core.paginator import Paginator
from django.shortcuts import redirect, render
from django.utils.crypto import get_random_string
from site_config.queries import explain

from .forms import POINTS, PlayForm
from .models import Job, Shopper
from .views import require_page_or_form
from .visitors import get_visitor, make_visitor

PAGE = 25
SHOWN_JOBS = 30
WORKERS = 8


@require_page_or_form
def jobs(request):
    """Show the jobs, and let the visitor work: claim, finish, requeue, race."""
    if request.method == "POST":
        act = ACTIONS.get(request.POST.get("do"), add)
        messages.info(request, act(request))
        return redirect("shop:jobs")
    found = Job.objects.order_by("-created")
    counts = found.facets("state")
    return render(
        request,
        "shop/jobs.html",
        {
            "jobs": found[:SHOWN_JOBS].list(),
            "counts": [(state, counts.get(state, 0)) for state in STATES],
            "worker": get_worker(request),
            "plan": explain(request, Job.objects.find(state="waiting")),
        },
    )


STATES = ("waiting", "running", "done")


def get_worker(request):
    """Return the name under which this visitor claims jobs."""
    return f"worker-{(get_visitor(request) or '')[:4]}"


def add(request):
    job = Job.objects.create(text=f"Count the shelf {get_random_string(4).upper()}")
    return f"{job} waits."


def claim(request):
    make_visitor(request)
    job = Job.claim(get_worker(request))
    return f"{job} is yours for a minute." if job else "No job waits."


def finish(request):
    job = Job.finish(request.POST.get("job", ""), get_worker(request))
    if job is None:
        return "That job is not yours any more."
    return f"{job} is done. It is kept for a minute."


def requeue(request):
    number = Job.requeue()
    return f"{number} of the lost jobs wait again." if number else "No lease has ended."


def race(request):
    """Let threads claim twenty jobs at once, and count those of each."""
    names = [f"worker-{n}" for n in range(1, WORKERS + 1)]
    Job.objects.bulk_create(Job(text=f"Race {n}") for n in range(1, 21))
    with ThreadPoolExecutor(WORKERS) as pool:
        claimed = [pk for some in pool.map(work, names) for pk in some]
    twice = sum(number > 1 for number in Counter(claimed).values())
    return (
        f"{WORKERS} workers claimed {len(claimed)} jobs at once, {twice} of them twice."
    )


def work(name):
    """Claim and finish jobs until none waits. Return their ids."""
    claimed = []
    while job := Job.claim(name):
        claimed.append(job.id)
        Job.finish(job.id, name)
    return claimed


ACTIONS = {"claim": claim, "finish": finish, "requeue": requeue, "race": race}


@require_page_or_form
def leaderboard(request):
    """Show a page of shoppers by points, and the visitor's place among them."""
    form = PlayForm(request.POST or None, label_suffix="")
    if request.method == "POST" and form.is_valid():
        Shopper.add_points(make_visitor(request), form.cleaned_data["name"], POINTS)
        return redirect("shop:leaderboard")
    found = Shopper.objects.order_by("-points")
    page = Paginator(found, PAGE).get_page(request.GET.get("page"))
    visitor = get_visitor(request)
    own = Shopper.objects.get_or_none(visitor) if visitor else None
    better = own.count_better() if own else 0
    shown = page.object_list.list()
    return render(
        request,
        "shop/leaderboard.html",
        {
            "form": form,
            "points": POINTS,
            "page": page,
            "rows": number_places(page.start_index(), shown) if shown else [],
            "own": own,
            "place": better + 1,
            "own_page": better // PAGE + 1,
            "plan": explain(request, found),
        },
    )


def number_places(start, shoppers):
    """Return ``[(place, shopper)]``: those with equal points share a place."""
    rows, place = [], shoppers[0].count_better() + 1
    for number, shopper in enumerate(shoppers, start):
        if rows and shopper.points < rows[-1][1].points:
            place = number
        rows.append((place, shopper))
    return rows

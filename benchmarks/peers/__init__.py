"""The same work by peers in one run: ``make bench-peers``.

``job.py`` has the objects and the right answers, ``rows.py`` the work. The modules
named after a peer have its work, as its manual recommends, behind the methods of Peer.
"""

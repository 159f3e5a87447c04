"use strict";
// Attributes in a form: another row, and a control that suits the type. The form works
// without this script: every value is then a text.
{
    const TALL = ["text", "json"];

    const LINE = 45; // characters that a line of the textarea shows, about

    function lines(text) {
        const count = (line) => Math.max(1, Math.ceil(line.length / LINE));
        return text.split("\n").reduce((sum, line) => sum + count(line), 0);
    }

    // The control of one row: a select for yes/no, nothing for none, a textarea else.
    function suit(kind) {
        const area = kind.parentElement.querySelector("textarea[data-ormist-value]");
        const cell = kind.parentElement;
        const old = cell.querySelector("select[data-ormist-answer]");
        if (old) {
            old.remove();
        }
        area.hidden = ["boolean", "none", ""].includes(kind.value);
        area.rows = TALL.includes(kind.value) ? Math.min(lines(area.value), 12) : 1;
        if (kind.value === "none" || kind.value === "") {
            area.value = "";
        } else if (kind.value === "boolean") {
            area.value = area.value === "false" ? "false" : "true";
            const answer = document.createElement("select");
            answer.dataset.ormistAnswer = "";
            answer.setAttribute("aria-label", area.getAttribute("aria-label"));
            answer.append(new Option(gettext("Yes"), "true"), new Option(gettext("No"), "false"));
            answer.value = area.value;
            answer.addEventListener("change", () => { area.value = answer.value; });
            kind.after(answer);
        }
    }

    function addRow(editor) {
        const body = editor.querySelector("tbody");
        const rows = body.querySelectorAll("tr");
        const row = rows[rows.length - 1].cloneNode(true);
        const prefix = editor.dataset.ormistAttributes;
        for (const control of row.querySelectorAll("[name]")) {
            control.name = control.name.replace(/-\d+-/, `-${rows.length}-`);
            control.value = control.matches("select") ? "text" : "";
        }
        body.append(row);
        suit(row.querySelector("[data-ormist-kind]"));
        row.querySelector(`[name="${prefix}-${rows.length}-name"]`).focus();
    }

    document.addEventListener("DOMContentLoaded", () => {
        for (const kind of document.querySelectorAll("[data-ormist-kind]")) {
            suit(kind);
        }
        for (const button of document.querySelectorAll("[data-ormist-add]")) {
            button.hidden = false;
            button.addEventListener("click", () => addRow(button.closest("[data-ormist-attributes]")));
        }
        document.addEventListener("change", (event) => {
            if (event.target.matches("[data-ormist-kind]")) {
                suit(event.target);
            }
        });
    });
}

// Makes a code editor of every textarea with data-editor. It lives in a shadow root, because there CodeMirror's styles
// are constructed sheets, which the page's policy allows, and not style elements, which it forbids. The textarea stays
// in its form and carries the text; it gets `editor`, with which submit.js loads text and marks a line.
const { EditorState, EditorView, HighlightStyle, tags: t } = CodeMirror;

const COLOURS = HighlightStyle.define([
  { tag: [t.keyword, t.controlKeyword, t.operatorKeyword, t.definitionKeyword, t.moduleKeyword, t.self], color: "var(--accent)", fontWeight: "600" },
  { tag: [t.string, t.special(t.string)], color: "var(--good)" },
  { tag: [t.number, t.bool, t.null], color: "var(--ramp-6)" },
  { tag: [t.definition(t.variableName), t.function(t.definition(t.variableName)), t.className], color: "var(--ramp-1)", fontWeight: "600" },
  { tag: t.meta, color: "var(--ramp-6)" },
  { tag: t.comment, color: "var(--muted)", fontStyle: "italic" },
  { tag: t.invalid, color: "var(--gap)" },
]);
const LOOK = EditorView.theme({
  "&": { color: "var(--ink)", backgroundColor: "var(--raised)", height: "100%", fontSize: ".92rem" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.5" },
  ".cm-content": { caretColor: "var(--ink)", padding: ".6rem 0" },
  ".cm-cursor": { borderLeftColor: "var(--ink)", borderLeftWidth: "2px" },
  ".cm-gutters": { color: "var(--muted)", backgroundColor: "var(--raised)", borderRight: "1px solid var(--line)" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--wash) 60%, transparent)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground":
    { backgroundColor: "color-mix(in srgb, var(--accent) 28%, transparent)" },
  "&.cm-focused .cm-matchingBracket": { backgroundColor: "var(--wash)", outline: "1px solid var(--accent)" },
  "&.cm-focused .cm-nonmatchingBracket": { backgroundColor: "var(--gap-wash)", color: "var(--gap)" },
  ".cm-lintRange-error": { backgroundImage: "none", textDecoration: "underline wavy var(--gap)", textUnderlineOffset: ".2em" },
  ".cm-diagnostic-error": { borderLeftColor: "var(--gap)" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", color: "var(--ink)", borderColor: "var(--line)" },
  ".cm-placeholder": { color: "var(--muted)" },
});

// Left to itself Chromium gives what is typed over a selection the look of what was there, by a style attribute, which the
// policy forbids and complains of.
const REPLACE = EditorView.domEventHandlers({
  beforeinput(event, view) {
    if (event.inputType !== "insertText" || !event.data || view.composing || view.state.selection.main.empty) return false;
    event.preventDefault();
    view.dispatch({ ...view.state.replaceSelection(event.data), userEvent: "input.type", scrollIntoView: true });
    return true;
  },
});

function settings(area) {
  const reads = area.readOnly;
  const name = area.labels[0]?.textContent.trim() || area.getAttribute("aria-label") || "Code";
  return [
    CodeMirror.lineNumbers(),
    CodeMirror.pythonLanguage,
    CodeMirror.syntaxHighlighting(COLOURS),
    CodeMirror.bracketMatching(),
    CodeMirror.drawSelection(),
    CodeMirror.indentUnit.of("    "),
    LOOK,
    EditorView.contentAttributes.of({
      "aria-label": reads ? name : `${name}. To leave the editor by keyboard press Escape, then Tab.`,
      ...(reads ? { "aria-readonly": "true" } : {}),
    }),
    reads ? EditorState.readOnly.of(true) : [
      CodeMirror.highlightActiveLine(),
      CodeMirror.highlightActiveLineGutter(),
      CodeMirror.history(),
      CodeMirror.indentOnInput(),
      CodeMirror.lintGutter(),
      CodeMirror.placeholder(area.placeholder),
      CodeMirror.keymap.of([CodeMirror.indentWithTab]),
      REPLACE,
      EditorView.updateListener.of((update) => {
        if (!update.docChanged) return;
        area.value = update.state.doc.toString();
        area.dispatchEvent(new Event("input", { bubbles: true }));
      }),
    ],
    CodeMirror.keymap.of([...CodeMirror.defaultKeymap, ...CodeMirror.historyKeymap]),
  ];
}

class Editor {
  constructor(area) {
    const box = document.createElement("div");
    box.className = "editor";
    const root = box.attachShadow({ mode: "open" });
    const isFocused = document.activeElement === area;
    const place = [area.selectionStart, area.selectionEnd];
    area.after(box);
    area.hidden = true;
    this.view = new EditorView({ doc: area.value, extensions: settings(area), root, parent: root });
    if (isFocused) { // somebody has begun to write
      this.view.dispatch({ selection: { anchor: place[0], head: place[1] } });
      this.view.focus();
    }
    for (const label of area.labels) {
      label.addEventListener("click", (event) => { event.preventDefault(); this.view.focus(); });
    }
  }

  // Replace the text; undo restores the old one.
  load(text) {
    this.view.dispatch({ changes: { from: 0, to: this.view.state.doc.length, insert: text } });
    this.view.scrollDOM.scrollTop = 0;
  }

  // Marks a line (counted from 1) as wrong, and no other; 0 for none.
  mark(number, message) {
    const { doc } = this.view.state;
    const faults = [];
    if (number >= 1 && number <= doc.lines) {
      const line = doc.line(number);
      const indent = line.text.length - line.text.trimStart().length;
      faults.push({ from: Math.min(line.from + indent, line.to), to: line.to, severity: "error", message });
    }
    this.view.dispatch(CodeMirror.setDiagnostics(this.view.state, faults));
  }

  show(number) {
    const line = this.view.state.doc.line(Math.min(number, this.view.state.doc.lines));
    this.view.dispatch({ selection: { anchor: line.from }, effects: EditorView.scrollIntoView(line.from, { y: "center" }) });
    this.view.focus();
  }
}

for (const area of document.querySelectorAll("textarea[data-editor]")) area.editor = new Editor(area);

/** The editor itself: a chunk of its own, loaded when one is shown. */
import {
  autocompletion,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
} from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { javascript } from "@codemirror/lang-javascript";
import { json, jsonParseLinter } from "@codemirror/lang-json";
import {
  bracketMatching,
  defaultHighlightStyle,
  HighlightStyle,
  indentOnInput,
  syntaxHighlighting,
  syntaxTree,
} from "@codemirror/language";
import { linter, lintGutter, type Diagnostic } from "@codemirror/lint";
import { EditorState, type Extension } from "@codemirror/state";
import { EditorView, keymap, lineNumbers } from "@codemirror/view";
import { useEffect, useRef } from "react";
import type { EditorProps } from "./code-editor.tsx";

/** CodeMirror's own colours, as this page has them: those are for a light page only. */
const COLOURS: Record<string, string> = {
  "#404740": "var(--muted)",
  "#708": "var(--code-keyword)",
  "#219": "var(--code-value)",
  "#164": "var(--code-value)",
  "#a11": "var(--code-string)",
  "#e40": "var(--code-string)",
  "#00f": "var(--text)",
  "#30a": "var(--text)",
  "#085": "var(--code-value)",
  "#167": "var(--code-value)",
  "#256": "var(--code-value)",
  "#00c": "var(--code-name)",
  "#940": "var(--muted)",
  "#f00": "var(--bad)",
};

const highlighting = HighlightStyle.define(
  defaultHighlightStyle.specs.map((spec) => ({
    ...spec,
    ...(typeof spec["color"] === "string" ? { color: COLOURS[spec["color"]] } : {}),
  })),
);

const look = EditorView.theme({
  "&": {
    color: "var(--text)",
    backgroundColor: "var(--surface)",
    fontSize: "13px",
    borderRadius: "7px",
  },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.6", maxHeight: "28rem" },
  ".cm-content": { caretColor: "var(--text)", padding: "8px 0" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--muted)", border: "none" },
  ".cm-lineNumbers .cm-gutterElement": { minWidth: "2.2rem" },
  ".cm-tooltip": {
    backgroundColor: "var(--surface)",
    color: "var(--text)",
    border: "1px solid var(--line)",
    borderRadius: "7px",
  },
  ".cm-tooltip-autocomplete ul li[aria-selected]": {
    backgroundColor: "var(--accent-ground)",
    color: "var(--text)",
  },
  ".cm-diagnostic": { fontFamily: "var(--sans)", fontSize: "13px" },
  "&.cm-focused .cm-matchingBracket": {
    backgroundColor: "var(--accent-ground)",
    outline: "1px solid var(--accent)",
  },
  ".cm-selectionMatch": { backgroundColor: "var(--accent-ground)" },
});

/** Where the parser stumbles: the server checks again, with the engine that runs the code. */
const javascriptFaults = linter((view) => {
  const faults: Diagnostic[] = [];
  syntaxTree(view.state).iterate({
    enter: ({ type, from, to }) => {
      if (type.isError && faults.length < 5)
        faults.push({
          from,
          to: Math.max(to, from),
          severity: "error",
          message: "This does not parse here",
        });
    },
  });
  return faults;
});

/** `args.` is completed by the names that the schema has. */
const argumentNames = (names: () => readonly string[]) =>
  autocompletion({
    override: [
      (context) => {
        const word = context.matchBefore(/\bargs\.\w*/);
        if (word === null) return null;
        return {
          from: word.from + "args.".length,
          options: names().map((label) => ({ label, type: "property" })),
        };
      },
    ],
  });

function languageOf(language: EditorProps["language"], names: () => readonly string[]): Extension {
  return language === "json"
    ? [json(), linter(jsonParseLinter())]
    : [javascript(), javascriptFaults, argumentNames(names)];
}

/** What closeBrackets puts around a selection. */
const BRACKET = /^[([{'"`]$/;

/**
 * Text in the place of a selection. Left to itself, Chromium gives such text the look of what was
 * there, by a style attribute, which the page's Content-Security-Policy blocks with an error (seen
 * with Chromium 15x, 2026-11).
 */
const replaceSelections = EditorView.domEventHandlers({
  beforeinput: (event, view) => {
    const { data, inputType } = event;
    if (
      inputType !== "insertText" ||
      data === null ||
      BRACKET.test(data) ||
      view.state.selection.main.empty
    )
      return false;
    event.preventDefault();
    view.dispatch(view.state.replaceSelection(data), {
      userEvent: "input.type",
      scrollIntoView: true,
    });
    return true;
  },
});

/** Tab leaves the editor, as it leaves every other field. */
const KEYS = keymap.of([
  ...closeBracketsKeymap,
  ...defaultKeymap,
  ...historyKeymap,
  ...completionKeymap,
]);

/**
 * An editor for code. It lives in a shadow tree, because there its styles are style sheets made by
 * script, which the page's Content-Security-Policy allows; in the document they would be inline.
 */
export function CodeMirror({ value, onChange, language, label, names }: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef({ onChange, names });
  useEffect(() => {
    latest.current = { onChange, names };
  });
  useEffect(() => {
    if (host.current === null) return undefined;
    const root = host.current.shadowRoot ?? host.current.attachShadow({ mode: "open" });
    const tell = EditorView.updateListener.of((update) => {
      if (update.docChanged) latest.current.onChange(update.state.doc.toString());
    });
    const extensions = [
      [
        lineNumbers(),
        history(),
        bracketMatching(),
        closeBrackets(),
        indentOnInput(),
        lintGutter(),
        EditorView.lineWrapping,
      ],
      [
        syntaxHighlighting(highlighting),
        look,
        KEYS,
        replaceSelections,
        tell,
        EditorView.contentAttributes.of({ "aria-label": label }),
      ],
      languageOf(language, () => latest.current.names ?? []),
    ];
    const editor = new EditorView({
      root,
      parent: root,
      state: EditorState.create({ doc: value, extensions }),
    });
    view.current = editor;
    return () => editor.destroy();
    // the editor is made once; what changes
    // later is handed to it below
    // oxlint-disable-next-line react-hooks/exhaustive-deps
  }, [language, label]);
  useEffect(() => {
    const editor = view.current;
    if (editor === null || editor.state.doc.toString() === value) return;
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: value } });
  }, [value]);
  return <div ref={host} className="code-host" />;
}

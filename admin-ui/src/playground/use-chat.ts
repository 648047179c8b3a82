import { useEffect, useRef, useState } from "react";
import type { RequestMessage } from "../conversations/request-of.ts";
import { streamAnswer } from "../http.ts";
import { emptyAnswer, ended, type Answer } from "./answer.ts";
import { DIALECTS, type DialectName } from "./dialects.ts";

/** What was said: by the operator, or by the model now or before. */
export interface Entry {
  id: string;
  message: RequestMessage;
  /** Of an answer that came in here. */
  answer: Answer | null;
}

/** As whom and how to ask. */
export interface Asking {
  key: string;
  model: string;
  system: string;
  dialect: DialectName;
}

/** A chat, and what can be done with it. */
export interface Chat {
  entries: Entry[];
  isRunning: boolean;
  ask: (asking: Asking, text: string) => void;
  stop: () => void;
  clear: () => void;
}

const entryOf = (message: RequestMessage): Entry => ({
  id: crypto.randomUUID(),
  message,
  answer: null,
});

/** What was said before, without answers of which nothing came. */
const saidIn = (entries: Entry[]): RequestMessage[] =>
  entries
    .filter(({ answer }) => answer === null || answer.text !== "")
    .map(({ message, answer }) =>
      answer === null ? message : { role: "assistant", content: answer.text },
    );

async function receive(
  asking: Asking,
  entries: Entry[],
  { signal, change }: { signal: AbortSignal; change: (next: (answer: Answer) => Answer) => void },
) {
  const { path, bodyOf, withChunk } = DIALECTS[asking.dialect];
  try {
    const asked = { path, body: bodyOf({ ...asking, said: saidIn(entries) }) };
    const { conversationId, turnId, chunks } = await streamAnswer(asking.key, asked, signal);
    change((answer) => ({ ...answer, conversationId, turnId }));
    for await (const chunk of chunks) change((answer) => withChunk(answer, chunk));
    change((answer) => ended(answer, "done"));
  } catch (error) {
    if (signal.aborted) change((answer) => ended(answer, "stopped"));
    else
      change((answer) =>
        ended(answer, "failed", error instanceof Error ? error.message : String(error)),
      );
  }
}

/** A chat that begins with these messages. */
export function useChat(first: RequestMessage[]): Chat {
  const [entries, setEntries] = useState<Entry[]>(() => first.map(entryOf));
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const ask = (asking: Asking, text: string) => {
    const answer: Entry = { ...entryOf({ role: "assistant", content: "" }), answer: emptyAnswer() };
    const said = [...entries, entryOf({ role: "user", content: text })];
    setEntries([...said, answer]);
    const leaving = new AbortController();
    running.current = leaving;
    const change = (next: (answer: Answer) => Answer) =>
      setEntries((before) =>
        before.map((entry) =>
          entry.id === answer.id && entry.answer !== null
            ? { ...entry, answer: next(entry.answer) }
            : entry,
        ),
      );
    void receive(asking, said, { signal: leaving.signal, change });
  };
  return {
    entries,
    isRunning: entries.at(-1)?.answer?.state === "running",
    ask,
    stop: () => running.current?.abort(),
    clear: () => {
      running.current?.abort();
      setEntries([]);
    },
  };
}

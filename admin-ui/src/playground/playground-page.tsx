import { ArrowUp, Eraser, Square } from "lucide-react";
import { useEffect, useRef, useState, type KeyboardEvent } from "react";
import type { ConversationDetail } from "../api-shapes.ts";
import { requestOf, type RequestMessage } from "../conversations/request-of.ts";
import { resources } from "../http.ts";
import { Empty, Loading } from "../parts/notice.tsx";
import { Page } from "../parts/page.tsx";
import type { Place } from "../router.tsx";
import { useResource } from "../use-resource.ts";
import { AskingForm } from "./asking-form.tsx";
import { DIALECTS, type DialectName } from "./dialects.ts";
import { EntryView } from "./entry-view.tsx";
import { handedKey, handKey } from "./handed-key.ts";
import { useChat, type Asking, type Chat } from "./use-chat.ts";

const USUAL_MODEL = "gpt-4.1-mini";

interface Start {
  dialect: DialectName;
  model: string | null;
  system: string;
  messages: RequestMessage[];
  /** What the operator is about to say. */
  text: string;
}

const NEW: Start = { dialect: "chat", model: null, system: "", messages: [], text: "" };

/**
 * A conversation of the record as a chat that can be gone on with: its last question is there to be
 * asked again.
 */
function startFrom(detail: ConversationDetail): Start {
  const { endpoint, model, messages } = requestOf(detail);
  const [first, ...rest] = messages;
  const isTold =
    first !== undefined &&
    ["system", "developer"].includes(first.role) &&
    typeof first.content === "string";
  const said = isTold ? rest : messages;
  const last = said.at(-1);
  const isAsked = last?.role === "user" && typeof last.content === "string";
  return {
    dialect: endpoint === DIALECTS.responses.path ? "responses" : "chat",
    model,
    system: isTold ? String(first.content) : "",
    messages: isAsked ? said.slice(0, -1) : said,
    text: isAsked ? String(last.content) : "",
  };
}

function Composer({ chat, text: first, asking }: { chat: Chat; text: string; asking: Asking }) {
  const [text, setText] = useState(first);
  const canSend = text.trim() !== "" && asking.key !== "" && asking.model !== "" && !chat.isRunning;
  const send = () => {
    if (!canSend) return;
    chat.ask(asking, text);
    setText("");
  };
  const press = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        aria-label="Message"
        rows={3}
        data-search
        placeholder={
          asking.key === ""
            ? "Paste a key first"
            : "Message. Enter sends, Shift+Enter makes a new line"
        }
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={press}
      />
      {chat.isRunning ? (
        <button
          type="button"
          className="round-button"
          aria-label="Stop"
          title="Stop"
          onClick={chat.stop}
        >
          <Square aria-hidden="true" />
        </button>
      ) : (
        <button
          type="submit"
          className="round-button primary"
          aria-label="Send"
          title="Send"
          disabled={!canSend}
        >
          <ArrowUp aria-hidden="true" />
        </button>
      )}
    </form>
  );
}

/** Keeps the end in view while it grows, unless the reader has gone elsewhere. */
function useFollow() {
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = end.current;
    if (element !== null && element.getBoundingClientRect().top < window.innerHeight + 200)
      element.scrollIntoView({ block: "nearest" });
  });
  return end;
}

function Playground({ start }: { start: Start }) {
  const settings = useResource(resources.settings());
  const usual = settings.data?.config["MODEL"];
  const [asking, setAsking] = useState({
    key: handedKey(),
    dialect: start.dialect,
    model: start.model,
    system: start.system,
  });
  const chat = useChat(start.messages);
  const end = useFollow();
  const complete: Asking = {
    ...asking,
    model: asking.model ?? (typeof usual === "string" ? usual : USUAL_MODEL),
  };
  const change = (changes: Partial<Asking>) => {
    if (changes.key !== undefined) handKey(changes.key);
    setAsking((before) => ({ ...before, ...changes }));
  };
  return (
    <div className="playground">
      <div className="play-chat">
        <div className="play-entries" role="log" aria-label="Chat">
          {chat.entries.length === 0 && (
            <Empty title="Ask as an application would">
              <p>
                The request goes through this proxy with the key that you paste: its tools run, its
                limits count, and it is on record.
              </p>
            </Empty>
          )}
          {chat.entries.map((entry) => (
            <EntryView key={entry.id} entry={entry} />
          ))}
          <div ref={end} />
        </div>
        <Composer chat={chat} text={start.text} asking={complete} />
      </div>
      <div className="play-side">
        <AskingForm asking={complete} change={change} />
        {chat.entries.length > 0 && (
          <button type="button" className="quiet" onClick={chat.clear}>
            <Eraser aria-hidden="true" />
            Begin anew
          </button>
        )}
      </div>
    </div>
  );
}

function FromRecord({ id }: { id: string }) {
  const conversation = useResource(resources.conversation(id));
  return (
    <Loading from={conversation}>
      {(detail) => <Playground key={detail.id} start={startFrom(detail)} />}
    </Loading>
  );
}

/** `/playground`: a chat with any key's tools; `?conversation=` goes on with one of the record. */
export function PlaygroundPage({ place }: { place: Place }) {
  const id = place.query.get("conversation");
  return (
    <Page title="Playground" width="full">
      {id === null ? <Playground start={NEW} /> : <FromRecord key={id} id={id} />}
    </Page>
  );
}

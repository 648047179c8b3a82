import { Globe } from "lucide-react";
import { useState } from "react";
import { firstLine, formatBytes, formatJson } from "../format.ts";
import { Markdown } from "../parts/markdown.tsx";
import { isObject, textOf, type Members } from "./read-record.ts";

/** Longer texts are folded: a system prompt must not push the conversation off the screen. */
const FOLDED_FROM = 1500;

type Look = "plain" | "code" | "markdown";

function Text({ text, look }: { text: string; look: Look }) {
  if (look === "markdown") return <Markdown text={text} />;
  return look === "code" ? <pre tabIndex={0}>{text}</pre> : <div className="text">{text}</div>;
}

/** A text, never as HTML; long ones are folded. */
export function LongText({ text, look = "plain" }: { text: string; look?: Look }) {
  const [isOpen, setIsOpen] = useState(false);
  const foldedFrom = look === "markdown" ? 4 * FOLDED_FROM : FOLDED_FROM;
  const isFolded = !isOpen && text.length > foldedFrom;
  return (
    <>
      <Text text={isFolded ? `${text.slice(0, foldedFrom)}…` : text} look={look} />
      {text.length > foldedFrom && (
        <button
          type="button"
          className="link"
          aria-expanded={isOpen}
          onClick={() => setIsOpen(!isOpen)}
        >
          {isOpen ? "Show less" : `Show all ${text.length.toLocaleString("en")} characters`}
        </button>
      )}
    </>
  );
}

/** What the record keeps of bytes. */
function StoredBytes({ stored }: { stored: Members }) {
  const { sha256, bytes, mediaType } = stored;
  return (
    <p className="stored-bytes">
      <span>{typeof mediaType === "string" ? mediaType : "file"}</span>
      <span>{typeof bytes === "number" ? formatBytes(bytes) : ""}</span>
      <code title="SHA-256 of the bytes: the record does not keep them">
        {String(sha256).slice(0, 16)}…
      </code>
    </p>
  );
}

/** The record's note in the place of bytes, wherever it is in a part. */
function storedIn(value: unknown): Members | null {
  if (!isObject(value)) return null;
  if (isObject(value["stored"])) return value["stored"];
  return (
    Object.values(value)
      .map(storedIn)
      .find((found) => found !== null) ?? null
  );
}

/**
 * Images of other servers are named, not shown: to load one would tell its server that it was
 * looked at.
 */
function ImagePart({ url }: { url: string }) {
  const isInline = /^data:image\/(?:png|jpeg|gif|webp);/i.test(url);
  return isInline ? (
    <img className="shown" src={url} alt="Sent with the message" />
  ) : (
    <code className="text">[image] {url.slice(0, 300)}</code>
  );
}

/** `web_search_call` and the like: tools of upstream's own, and MCP servers that it called. */
const CALL = /^(?<tool>\w+)_call$/;

/** What upstream did by itself, folded. */
function UpstreamCall({ tool, part }: { tool: string; part: Members }) {
  const { status, name, action } = part;
  const query = isObject(action) ? textOf(action["query"]) : textOf(name);
  return (
    <details className="tool-card done" aria-label={`Call of ${tool}`}>
      <summary>
        <Globe className="state-icon" aria-hidden="true" />
        <code className="tool-name">{tool}</code>
        <code className="preview">{firstLine(query)}</code>
        <span className="hint">run by upstream</span>
        {typeof status === "string" && status !== "completed" && (
          <span className="hint">{status}</span>
        )}
      </summary>
      <div className="tool-body">
        <LongText look="code" text={formatJson(part)} />
      </div>
    </details>
  );
}

function ContentPart({ part, look }: { part: Members; look: Look }) {
  const text = part["text"] ?? part["refusal"];
  if (typeof text === "string") return <LongText text={text} look={look} />;
  const tool = CALL.exec(textOf(part["type"]))?.groups?.["tool"];
  const stored = storedIn(part);
  if (stored !== null) return <StoredBytes stored={stored} />;
  if (tool !== undefined) return <UpstreamCall tool={tool} part={part} />;
  const image = part["image_url"];
  const url = isObject(image) ? image["url"] : image;
  return typeof url === "string" ? (
    <ImagePart url={url} />
  ) : (
    <LongText look="code" text={formatJson(part)} />
  );
}

/** The content of a message: a text, parts, or nothing. */
export function Content({ content, look = "plain" }: { content: unknown; look?: Look }) {
  if (content === null || content === undefined || content === "") return null;
  if (typeof content === "string") return <LongText text={content} look={look} />;
  if (!Array.isArray(content) || !content.every(isObject))
    return <LongText look="code" text={formatJson(content)} />;
  const keyed = content.map((part, index) => ({ part, key: `part ${index}` }));
  return keyed.map(({ part, key }) => <ContentPart key={key} part={part} look={look} />);
}

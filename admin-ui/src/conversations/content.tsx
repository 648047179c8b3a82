import { useState } from "react";
import { formatJson } from "../format.ts";

/** Longer texts are folded: a system prompt must not push the conversation off the screen. */
const FOLDED_FROM = 1500;

/** A text as it is: never HTML, line breaks kept, long ones folded. */
export function LongText({ text, code = false }: { text: string; code?: boolean }) {
  const [isOpen, setIsOpen] = useState(false);
  const isFolded = !isOpen && text.length > FOLDED_FROM;
  const shown = isFolded ? `${text.slice(0, FOLDED_FROM)}…` : text;
  return (
    <>
      {code ? <pre tabIndex={0}>{shown}</pre> : <div className="text">{shown}</div>}
      {text.length > FOLDED_FROM && (
        <button type="button" className="link" aria-expanded={isOpen} onClick={() => setIsOpen(!isOpen)}>
          {isOpen ? "Show less" : `Show all ${text.length.toLocaleString("en")} characters`}
        </button>
      )}
    </>
  );
}

type Part = Record<string, unknown>;

const isPart = (value: unknown): value is Part => typeof value === "object" && value !== null && !Array.isArray(value);

function imageUrlOf(part: Part): string | null {
  const image = part["image_url"];
  const url = isPart(image) ? image["url"] : image;
  return typeof url === "string" ? url : null;
}

/** Images of other servers are named, not shown: to load one would tell its server that it was looked at. */
function ImagePart({ url }: { url: string }) {
  const isInline = /^data:image\/(?:png|jpeg|gif|webp);/i.test(url);
  return isInline ? (
    <img className="shown" src={url} alt="Sent with the message" />
  ) : (
    <code className="text">[image] {url.slice(0, 300)}</code>
  );
}

function ContentPart({ part }: { part: Part }) {
  const text = part["text"] ?? part["refusal"];
  const url = imageUrlOf(part);
  if (typeof text === "string") return <LongText text={text} />;
  return url === null ? <LongText code text={formatJson(part)} /> : <ImagePart url={url} />;
}

/** The content of a message: a text, parts, or nothing. */
export function Content({ content }: { content: unknown }) {
  if (content === null || content === "") return null;
  if (typeof content === "string") return <LongText text={content} />;
  if (!Array.isArray(content) || !content.every(isPart)) return <LongText code text={formatJson(content)} />;
  const keyed = content.map((part, index) => ({ part, key: `part ${index}` }));
  return keyed.map(({ part, key }) => <ContentPart key={key} part={part} />);
}

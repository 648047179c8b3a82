import { useMemo } from "react";
import ReactMarkdown, { type Components } from "react-markdown";
import remarkGfm from "remark-gfm";

const SAFE_LINK = /^(?:https?:|mailto:)/i;

/**
 * Images are named, not shown: to load one would tell its server that it was looked at. Links lead
 * to other sites only.
 */
const COMPONENTS: Components = {
  a: ({ href, children }) =>
    href !== undefined && SAFE_LINK.test(href) ? (
      <a href={href} target="_blank" rel="noreferrer noopener">
        {children}
      </a>
    ) : (
      <span>{children}</span>
    ),
  img: ({ src, alt }) => (
    <code>
      [image] {alt} {typeof src === "string" ? src.slice(0, 300) : ""}
    </code>
  ),
  pre: ({ children }) => <pre tabIndex={0}>{children}</pre>,
  table: ({ children }) => (
    <div className="markdown-table" tabIndex={0} role="region" aria-label="Table">
      <table>{children}</table>
    </div>
  ),
};
const PLUGINS = [remarkGfm];

/** Markdown as elements. HTML in it stays text. */
export function Markdown({ text }: { text: string }) {
  return useMemo(
    () => (
      <div className="markdown">
        <ReactMarkdown remarkPlugins={PLUGINS} components={COMPONENTS}>
          {text}
        </ReactMarkdown>
      </div>
    ),
    [text],
  );
}

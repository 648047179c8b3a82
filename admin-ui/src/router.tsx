/** Client routing: the address bar is the state, `history.pushState` changes it. */
import { useSyncExternalStore, type AnchorHTMLAttributes, type MouseEvent } from "react";

const changes = new EventTarget();

function subscribe(listener: () => void): () => void {
  window.addEventListener("popstate", listener);
  changes.addEventListener("change", listener);
  return () => {
    window.removeEventListener("popstate", listener);
    changes.removeEventListener("change", listener);
  };
}

/** Where the reader is. */
export interface Place {
  /** Decoded segments of the path: none for `/`. */
  segments: string[];
  query: URLSearchParams;
  /** Path and query as the address bar has them. */
  href: string;
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    // A percent sign that a person typed.
    if (error instanceof URIError) return segment;
    throw error;
  }
}

/** The place, for ever up to date. */
export function usePlace(): Place {
  const href = useSyncExternalStore(subscribe, () => location.pathname + location.search);
  const [path = "", search = ""] = href.split("?");
  return {
    segments: path.split("/").filter(Boolean).map(decode),
    query: new URLSearchParams(search),
    href,
  };
}

/** Goes to a path of the page, or replaces the present one in the history. */
export function navigate(href: string, { replace = false } = {}): void {
  const isSamePage = href.split("?")[0] === location.pathname;
  history[replace ? "replaceState" : "pushState"]({ isInside: true }, "", href);
  if (!isSamePage) window.scrollTo(0, 0);
  changes.dispatchEvent(new Event("change"));
}

/** An address with other parameters in its query; null takes one away. */
export function withQuery({ href }: Place, changes: Record<string, string | null>): string {
  const url = new URL(href, location.origin);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null || value === "") url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url.pathname + url.search;
}

/** Whether the browser itself should follow a link: new tab, new window, download. */
const isForBrowser = (event: MouseEvent) =>
  event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey;

/** A link inside the page. */
export function Link({
  href,
  ...rest
}: AnchorHTMLAttributes<HTMLAnchorElement> & { href: string }) {
  const follow = (event: MouseEvent) => {
    if (isForBrowser(event)) return;
    event.preventDefault();
    navigate(href);
  };
  return <a {...rest} href={href} onClick={follow} />;
}

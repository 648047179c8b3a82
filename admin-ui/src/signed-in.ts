/**
 * Whether somebody is signed in, as far as the page can know: it remembers until when, the cookie
 * itself is out of its reach.
 */
import { useSyncExternalStore } from "react";
import { actions, session } from "./http.ts";

const UNTIL = "admin-session-until";
const changes = new EventTarget();

function remember(until: string | null): void {
  if (until === null) localStorage.removeItem(UNTIL);
  else localStorage.setItem(UNTIL, until);
  changes.dispatchEvent(new Event("change"));
}

session.addEventListener("end", () => remember(null));

function subscribe(listener: () => void): () => void {
  changes.addEventListener("change", listener);
  // Another tab signed in or out.
  window.addEventListener("storage", listener);
  return () => {
    changes.removeEventListener("change", listener);
    window.removeEventListener("storage", listener);
  };
}

function isSignedIn(): boolean {
  const until = localStorage.getItem(UNTIL);
  return until !== null && Date.parse(until) > Date.now();
}

/** True from sign-in until sign-out, or until the session ends. */
export function useSignedIn(): boolean {
  return useSyncExternalStore(subscribe, isSignedIn);
}

/** Begins a session. @throws HttpError for a wrong password */
export async function signIn(password: string): Promise<void> {
  remember((await actions.signIn(password)).expiresAt);
}

/**
 * Ends the session.
 * @throws HttpError where the server does not answer: the cookie is then still there
 */
export async function signOut(): Promise<void> {
  await actions.signOut();
  session.dispatchEvent(new Event("end"));
}

import { useEffect, useState } from "react";
import { TextField } from "./parts/field.tsx";
import { Notice } from "./parts/notice.tsx";
import { signIn } from "./signed-in.ts";
import { useAction } from "./use-action.ts";

/** In milliseconds: what a server needs that does not make anybody wait. */
const USUAL_MS = 1000;

/** Whether something has been under way for long. */
function useIsSlow(isRunning: boolean): boolean {
  const [isSlow, setIsSlow] = useState(false);
  useEffect(() => {
    if (!isRunning) return;
    const timer = setTimeout(() => setIsSlow(true), USUAL_MS);
    return () => {
      clearTimeout(timer);
      setIsSlow(false);
    };
  }, [isRunning]);
  return isSlow;
}

/** Asks for the operator's password. */
export function SignInPage() {
  const [password, setPassword] = useState("");
  const action = useAction();
  const isSlow = useIsSlow(action.isRunning);
  const beside = action.faultBeside(["password"]);
  return (
    <main className="sign-in">
      <form
        onSubmit={(event) => {
          event.preventDefault();
          action.run(() => signIn(password));
        }}
      >
        <img src="/favicon.svg" alt="" width="40" height="40" />
        <h1>OpenAI Proxy</h1>
        <p className="hint">Keys, tools and conversations of this proxy.</p>
        {/* Password managers file a password under a name. */}
        <input type="text" name="username" autoComplete="username" value="admin" readOnly hidden />
        <TextField
          label="Admin password"
          type="password"
          autoComplete="current-password"
          autoFocus
          required
          value={password}
          fault={action.faultOf("password")}
          onChange={(event) => setPassword(event.target.value)}
        />
        {isSlow && (
          <Notice tone="warn">
            There were wrong passwords from this address, so this takes some seconds.
          </Notice>
        )}
        {beside !== null && <Notice tone="bad">{beside}</Notice>}
        <button type="submit" className="primary" disabled={action.isRunning}>
          {action.isRunning ? "Signing in…" : "Sign in"}
        </button>
      </form>
    </main>
  );
}

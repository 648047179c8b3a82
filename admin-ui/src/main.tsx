import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "./app.tsx";
import { HttpError, session } from "./http.ts";
import { applyTheme } from "./shell/theme.ts";

/** What the server refused it will refuse again; what went wrong on the way may go right. */
const isWorthRetrying = (error: Error) =>
  !(error instanceof HttpError) || error.status === 0 || error.status >= 502;

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 2000,
      retry: (count, error) => count < 2 && isWorthRetrying(error),
      retryDelay: 700,
    },
  },
});
// What one session read must not be there for the next.
session.addEventListener("end", () => client.clear());

applyTheme();
const root = document.querySelector("#root");
if (root === null) throw new Error("index.html has no #root");
createRoot(root).render(
  <StrictMode>
    <QueryClientProvider client={client}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
);

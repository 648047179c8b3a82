/** What every proxy under test is configured with, wherever it runs. */

export const ADMIN_PASSWORD = "a password for tests";

export const SETTINGS = {
  NODE_ENV: "production",
  JWT_SECRET: "a secret for tests, long enough",
  ADMIN_PASSWORD,
  OPENAI_API_KEY: "sk-upstream-default",
  LOG_LEVEL: "info",
  // The MCP servers of tests listen there.
  MCP_ALLOWED_PRIVATE_HOSTS: "127.0.0.1",
  ALLOWED_HOSTS: "llm.example",
};

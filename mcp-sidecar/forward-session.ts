import { Server } from "@modelcontextprotocol/sdk/server/index.js";
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js";
import type {
  ClientCapabilities,
  LoggingLevel,
  Notification,
  Request,
  Result,
} from "@modelcontextprotocol/sdk/types.js";
import { LoggingLevelSchema } from "@modelcontextprotocol/sdk/types.js";
import { AjvJsonSchemaValidator } from "@modelcontextprotocol/sdk/validation/ajv-provider.js";
import type { Listener, SessionExtra } from "./audience.ts";
import { listTools } from "./list-tools.ts";
import type { Log } from "./log.ts";
import { ANY_RESULT, relayProgress, withoutPrefixes } from "./relay.ts";
import type { StdioServer } from "./stdio-server.ts";

const jsonSchemaValidator = new AjvJsonSchemaValidator();

interface Session {
  server: StdioServer;
  listener: Listener;
  log: Log;
}

type Forward = (session: Session, request: Request, extra: SessionExtra) => Promise<Result>;

/** Handed to the process as it came, and its answer back as that came. */
const passOn: Forward = ({ server, listener, log }, request, extra) => {
  const to = {
    notification: (notification: Notification) => extra.sendNotification(notification as never),
  };
  const { params, options } = relayProgress(request.params, { to, log });
  const { signal } = extra;
  return server.use(
    (client, timeout) =>
      server.audience.during({ listener, extra }, () =>
        client.request({ method: request.method, params }, ANY_RESULT, {
          ...options,
          signal,
          timeout,
          resetTimeoutOnProgress: true,
        }),
      ),
    signal,
  );
};

/** Requests that are more than handed on. */
const FORWARDS: Record<string, Forward> = {
  "tools/call": (session, request, extra) => {
    session.server.calls += 1;
    return passOn(session, request, extra);
  },
  "tools/list": ({ server, log }, _request, { signal }) =>
    server.catalogue.list(
      (limit) =>
        server.use(
          (client, timeout) =>
            listTools(client, { log, label: server.label, signal: limit, timeout }),
          limit,
        ),
      signal,
    ),
  /** Neither starts a process nor keeps one alive: a client that pings for ever is no use of it. */
  ping: async ({ server }, _request, { signal }) =>
    (await server.runningClient?.request({ method: "ping" }, ANY_RESULT, { signal })) ?? {},
  "resources/subscribe": async (session, request, extra) => {
    const result = await passOn(session, request, extra);
    session.listener.subscriptions.add(String(request.params?.["uri"]));
    return result;
  },
  /** The process knows one subscriber; as long as another session is one too, it goes on. */
  "resources/unsubscribe": async (session, request, extra) => {
    const { server, listener } = session;
    const uri = String(request.params?.["uri"]);
    const result = server.audience.isOnlySubscriber(listener, uri)
      ? await passOn(session, request, extra)
      : {};
    listener.subscriptions.delete(uri);
    return result;
  },
  /**
   * The process knows one level: the most talkative of its sessions'. Each session gets what it
   * asked for.
   */
  "logging/setLevel": async (session, request, extra) => {
    const given = LoggingLevelSchema.safeParse(request.params?.["level"]);
    if (!given.success) return passOn(session, request, extra);
    const { server, listener } = session;
    const before: LoggingLevel | null = listener.logLevel;
    listener.logLevel = given.data;
    try {
      return await passOn(
        session,
        {
          ...request,
          params: { ...request.params, level: server.audience.logLevel ?? given.data },
        },
        extra,
      );
    } catch (error) {
      listener.logLevel = before;
      throw error;
    }
  },
};

/**
 * One session's MCP server, which hands everything on to the shared process: whatever it can do, by
 * its own name, with its own instructions. Tasks are left out, because they outlive the call that
 * could be cancelled and the process that is idle.
 */
export async function openForwarder(
  server: StdioServer,
  transport: Transport,
  around: { log: Log; capabilities: ClientCapabilities },
): Promise<void> {
  const client = await server.introduce();
  const { tasks: _tasks, ...capabilities } = client.getServerCapabilities() ?? {};
  const instructions = client.getInstructions();
  const forwarder = new Server(client.getServerVersion() ?? { name: server.label, version: "1" }, {
    capabilities,
    jsonSchemaValidator,
    ...(instructions !== undefined && { instructions }),
  });
  const listener: Listener = {
    capabilities: around.capabilities,
    notify: (notification) => forwarder.notification(notification),
    logLevel: null,
    subscriptions: new Set(),
  };
  const session: Session = { server, listener, log: around.log };
  // What the SDK would answer by itself.
  forwarder.removeRequestHandler("ping");
  forwarder.removeRequestHandler("logging/setLevel");
  forwarder.fallbackRequestHandler = (request, extra) => {
    const forward = Object.hasOwn(FORWARDS, request.method) ? FORWARDS[request.method] : undefined;
    return withoutPrefixes(() => (forward ?? passOn)(session, request, extra));
  };
  forwarder.fallbackNotificationHandler = async (notification) => {
    await server.runningClient?.notification(notification);
  };
  forwarder.onerror = (error) =>
    around.log.debug({ server: server.label, error: error.message }, "A session reports an error");
  forwarder.onclose = () => server.audience.remove(listener);
  server.audience.add(listener);
  await forwarder.connect(transport);
}

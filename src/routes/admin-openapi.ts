import { Hono } from "hono";
import type { RouterRoute } from "hono/types";
import { z } from "zod";
import type { JsonObject } from "../openai/json.ts";
import { memorySlot } from "../memory.ts";
import type { RequestScope } from "../platform.ts";
import { describeRoute, TAGS, textOf, type RouteText } from "./describe-route.ts";
import { inputOf } from "./admin-input.ts";
import { SHAPES } from "./openapi-shapes.ts";
import { VERSION } from "./version.ts";

const PREFIX = "/api/admin";
/** One route with what its handlers validate. */
interface Route {
  method: string;
  /** Under `/api/admin`, with `:id`. */
  path: string;
  query: z.ZodType | null;
  json: z.ZodType | null;
  /** Null: it says nothing of itself, which a test refuses. */
  text: RouteText | null;
}

/**
 * The routes of the admin API. A route has as many entries as it has handlers; middlewares are for
 * all methods.
 */
function routesOf(entries: RouterRoute[]): Route[] {
  const routes = new Map<string, Route>();
  for (const { method, path, handler } of entries) {
    if (method === "ALL" || !path.startsWith(`${PREFIX}/`)) continue;
    const name = `${method} ${path}`;
    const route = routes.get(name) ?? {
      method,
      path: path.slice(PREFIX.length),
      query: null,
      json: null,
      text: null,
    };
    route.text ??= textOf(handler);
    const input = inputOf(handler);
    if (input !== null) route[input.part] = input.schema;
    routes.set(name, route);
  }
  return [...routes.values()];
}

/** As a caller writes it; what only code can check is left out. */
function schemaOf(schema: z.ZodType): JsonObject {
  const { $schema: _dialect, ...json } = z.toJSONSchema(schema, {
    io: "input",
    unrepresentable: "any",
  }) as JsonObject;
  return json;
}

function pathParameters(path: string): JsonObject[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string", format: "uuid" },
  }));
}

function queryParameters(query: z.ZodType | null): JsonObject[] {
  if (query === null) return [];
  const { properties = {}, required = [] } = schemaOf(query) as {
    properties?: Record<string, JsonObject>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
  }));
}

const refTo = (name: string) => ({ $ref: `#/components/schemas/${name}` });

function answersOf({
  answer,
  status = 200,
  contentType = "application/json",
}: Omit<RouteText, "tag">): JsonObject {
  const content = answer === null ? {} : { content: { [contentType]: { schema: refTo(answer) } } };
  return {
    [String(status)]: { description: answer === null ? "Done" : "The answer", ...content },
    default: {
      description: "An error, in OpenAI's shape",
      content: { "application/json": { schema: refTo("Error") } },
    },
  };
}

/** `GET /api-keys/:id` → `getApiKeysById`. */
function operationId({ method, path }: Route): string {
  const words = path.split(/[/.-]+/).filter((word) => word !== "");
  const named = words.map((word) =>
    word.startsWith(":") ? `By${capital(word.slice(1))}` : capital(word),
  );
  return method.toLowerCase() + named.join("");
}

const capital = (word: string) => word.slice(0, 1).toUpperCase() + word.slice(1);

function operationOf(route: Route): JsonObject {
  const name = `${route.method} ${route.path}`;
  const text = route.text ?? { tag: "Other", summary: name, answer: null };
  const parameters = [...pathParameters(route.path), ...queryParameters(route.query)];
  const body =
    route.json === null
      ? null
      : { required: true, content: { "application/json": { schema: schemaOf(route.json) } } };
  return {
    operationId: operationId(route),
    tags: [text.tag],
    summary: text.summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === null ? {} : { requestBody: body }),
    responses: answersOf(text),
    ...(route.text?.isOpen === true ? { security: [] } : {}),
  };
}

function describeRoutes(entries: RouterRoute[]): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const route of routesOf(entries)) {
    const path = route.path.replace(/:(\w+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "OpenAI Proxy Server: admin API",
      version: VERSION,
      description:
        "What the admin page uses. Lists are newest first; times are ISO 8601; money is US dollars, null where it is not known.",
    },
    servers: [{ url: PREFIX }],
    security: [{ bearer: [] }, { cookie: [] }],
    tags: TAGS.map((name) => ({ name })),
    paths,
    components: {
      schemas: Object.fromEntries(
        Object.entries(SHAPES).map(([name, shape]) => [name, schemaOf(shape)]),
      ),
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description: "The token that POST /login gives",
        },
        cookie: { type: "apiKey", in: "cookie", name: "admin_session" },
      },
    },
  };
}

const openapiDocument = memorySlot((routes: () => RouterRoute[]) => describeRoutes(routes()));

/**
 * `GET /openapi.json`: the admin API as an OpenAPI 3.1 document, made from the routes and the
 * schemas that they check by.
 * @param routes all routes of the app, asked for when the document is
 */
export function adminOpenapi(routes: () => RouterRoute[]): Hono<{ Bindings: RequestScope }> {
  const app = new Hono<{ Bindings: RequestScope }>();
  app.get(
    "/openapi.json",
    describeRoute({ tag: "Operation", summary: "This document", answer: "Document" }),
    (context) => context.json(openapiDocument.of(context.env.platform.memory, routes)),
  );
  return app;
}

import {
  keepPreviousData,
  useInfiniteQuery,
  useQuery,
  useQueryClient,
} from "@tanstack/react-query";
import { useCallback } from "react";
import type { Page } from "./api-shapes.ts";
import { read, type Resource } from "./http.ts";

/**
 * Something that is being read, was read, or could not be read. What was read stays while it is
 * read again.
 */
export interface Loaded<T> {
  data: T | null;
  error: Error | null;
  /** Whether it is being read, for the first time or again. */
  isLoading: boolean;
  reload(): void;
}

interface ReadingOptions {
  /** How often it is read again, in milliseconds; false: not any more. */
  every?: number | ((data: unknown) => number | false);
  /** False: not yet. */
  isWanted?: boolean;
  /** Whether what was there before is shown until the new is there. */
  keeps?: boolean;
}

/**
 * Reads whatever `load` reads, again when `key` changes, on `reload`, and after every change that
 * was made here.
 */
export function useLoaded<T>(
  key: string,
  load: (signal: AbortSignal) => Promise<T>,
  options: ReadingOptions = {},
): Loaded<T> {
  const { every = false } = options;
  const { data, error, isFetching, refetch } = useQuery({
    queryKey: [key],
    queryFn: ({ signal }) => load(signal),
    refetchInterval: (query) => (typeof every === "function" ? every(query.state.data) : every),
    enabled: options.isWanted ?? true,
    ...(options.keeps === true ? { placeholderData: keepPreviousData } : {}),
  });
  return { data: data ?? null, error, isLoading: isFetching, reload: () => void refetch() };
}

/** Reads a resource. */
export function useResource<T>(resource: Resource<T>, options: ReadingOptions = {}): Loaded<T> {
  return useLoaded(resource.path, (signal) => read(resource, signal), options);
}

/** A list that grows by a page at a time. */
export interface Rows<Row> extends Loaded<Row[]> {
  hasMore: boolean;
  isLoadingMore: boolean;
  loadMore(): void;
}

/** Reads a list, page after page. `pageAt` makes the resource of a page. */
export function useRows<Row>(pageAt: (cursor: string | null) => Resource<Page<Row>>): Rows<Row> {
  const list = useInfiniteQuery({
    queryKey: ["rows", pageAt(null).path],
    queryFn: ({ pageParam, signal }) => read(pageAt(pageParam), signal),
    initialPageParam: null as string | null,
    getNextPageParam: (page) => page.nextCursor,
    placeholderData: keepPreviousData,
  });
  return {
    data: list.data?.pages.flatMap((page) => page.data) ?? null,
    error: list.error,
    isLoading: list.isFetching,
    reload: () => void list.refetch(),
    hasMore: list.hasNextPage,
    isLoadingMore: list.isFetchingNextPage,
    loadMore: () => void list.fetchNextPage(),
  };
}

/** Reads again what the page shows: for after a change. */
export function useRefresh(): () => Promise<void> {
  const client = useQueryClient();
  return useCallback(() => client.invalidateQueries(), [client]);
}

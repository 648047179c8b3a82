import { NodeFS } from "@electric-sql/pglite/nodefs";

/** The part of Emscripten's file system that says what rights a file gets. */
interface Nodes {
  setattr(node: unknown, attributes: { mode?: number }): unknown;
}

/** All but the owner's rights. */
const OWNER_ONLY = 0o077;

/**
 * The files of the embedded database, which are their user's alone. PGlite gives those of a new
 * database to everybody (`chmod` after the fact, so that no mask helps; seen in 0.5.14).
 */
export class PrivateFilesystem extends NodeFS {
  override async init(...parts: Parameters<NodeFS["init"]>): ReturnType<NodeFS["init"]> {
    const { emscriptenOpts } = await super.init(...parts);
    const before = emscriptenOpts.preRun ?? [];
    const keepPrivate = ({ FS }: { FS: unknown }) => {
      const { filesystems } = FS as { filesystems: { NODEFS: { node_ops: Nodes } } };
      const nodes = filesystems.NODEFS.node_ops;
      const { setattr } = nodes;
      nodes.setattr = (node, attributes) => {
        const { mode } = attributes;
        return setattr(
          node,
          mode === undefined ? attributes : { ...attributes, mode: mode & ~OWNER_ONLY },
        );
      };
    };
    const preRun = [...(Array.isArray(before) ? before : [before]), keepPrivate];
    return { emscriptenOpts: { ...emscriptenOpts, preRun } };
  }
}

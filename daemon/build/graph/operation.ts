// The graph of a build: vertices that are operations on files, content-addressed. The kinds and their fields are those of BuildKit's LLB
// (solver/pb/ops.proto), so that a definition of a BuildKit client can become the same graph as a Dockerfile. Plain data.

/** One result of a vertex; undefined where it stands for an input: no files at all (scratch). */
export interface Edge {
  readonly vertex: Vertex;
  /** Which of its results: 0 but for an exec with several writable mounts, and a file operation with several outputs. */
  readonly output: number;
}

export interface Vertex {
  /** sha256 digest of the operation and its inputs' digests: equal vertices are one. Made by graph/vertex.ts. */
  readonly digest: string;
  readonly operation: Operation;
  readonly inputs: readonly Edge[];
  /** As it is shown: "[build 2/5] RUN make". Not part of the digest. */
  readonly name: string;
  /** Run it though a result is there. Not part of the digest. */
  readonly ignoresCache: boolean;
  /** Where it stands in the Dockerfile: for errors. Not part of the digest. */
  readonly lines?: { readonly start: number; readonly end: number };
}

export type Operation = SourceOperation | ExecOperation | FileOperation | MergeOperation | DiffOperation;

/** OCI's names: "linux", "amd64", "v8". */
export interface BuildPlatform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
}

export interface SourceOperation {
  readonly kind: 'source';
  readonly source: ImageSource | LocalSource | GitSource | HttpSource | LayoutSource;
}

/** The files of an image. The reference was resolved before: `imageId` is in the store, and held by the build. */
export interface ImageSource {
  readonly type: 'image';
  /** Canonical, for display: "docker.io/library/busybox:latest". */
  readonly reference: string;
  readonly imageId: string;
}

/** A directory of the client: the build's context ("context"), its Dockerfiles, a named context. */
export interface LocalSource {
  readonly type: 'local';
  readonly name: string;
  readonly include: readonly string[];
  /** Patterns of .dockerignore. */
  readonly exclude: readonly string[];
  readonly followPaths: readonly string[];
}

export interface GitSource {
  readonly type: 'git';
  readonly url: string;
  /** Branch, tag, full ref or commit; empty: the remote's HEAD. */
  readonly ref: string;
  /** Below the repository's root; empty: all of it. */
  readonly subdirectory: string;
  readonly keepsGitDirectory: boolean;
  /** Its submodules come with it unless this is set. */
  readonly skipsSubmodules?: boolean;
  /** Commit that it has to be: hexadecimal; empty: any. */
  readonly checksum: string;
}

/** One file, in a directory of its own. */
export interface HttpSource {
  readonly type: 'http';
  readonly url: string;
  /** "sha256:…"; empty: any. */
  readonly checksum: string;
  /** Empty: from the answer's Content-Disposition or the URL's last part. */
  readonly filename: string;
  /** undefined: 0600, as docker. */
  readonly mode?: number;
  readonly uid: number;
  readonly gid: number;
}

/** An image in an OCI layout that the client has: named contexts "oci-layout://…". */
export interface LayoutSource {
  readonly type: 'oci-layout';
  readonly name: string;
  readonly digest: string;
}

export interface ExecOperation {
  readonly kind: 'exec';
  readonly args: readonly string[];
  /** NAME=value, complete. */
  readonly env: readonly string[];
  /** Further ones that are no part of the cache's key: proxies. */
  readonly proxyEnv: readonly string[];
  readonly workingDir: string;
  /** As in USER; looked up in the root's own files. */
  readonly user: string;
  readonly hostname: string;
  readonly network: 'default' | 'none' | 'host';
  readonly security: 'sandbox' | 'insecure';
  /** The first is that of the root, "/". */
  readonly mounts: readonly ExecMount[];
  /** Secrets in the environment. */
  readonly secretEnv: readonly { readonly name: string; readonly id: string; readonly isOptional: boolean }[];
  /** A script for the shell, in place of a long argument: see RUN with a heredoc that begins with "#!". */
  readonly platform: BuildPlatform;
}

export type ExecMount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount;

interface MountCommon {
  /** Absolute, in the container. */
  readonly target: string;
}

export interface BindMount extends MountCommon {
  readonly type: 'bind';
  /** Index in the vertex's inputs; -1: empty. */
  readonly input: number;
  /** Path in the input; empty: its root. */
  readonly selector: string;
  /** Writes are lost when it is writable and `output` is -1. */
  readonly isReadonly: boolean;
  /** Index of the vertex's result that its files become; -1: of none. */
  readonly output: number;
}

export interface CacheMount extends MountCommon {
  readonly type: 'cache';
  readonly id: string;
  readonly sharing: 'shared' | 'private' | 'locked';
  readonly isReadonly: boolean;
  /** What it holds at first: index in the inputs, -1: nothing. */
  readonly input: number;
  readonly selector: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface TmpfsMount extends MountCommon {
  readonly type: 'tmpfs';
  /** 0: the kernel's default. */
  readonly sizeBytes: number;
}

export interface SecretMount extends MountCommon {
  readonly type: 'secret';
  readonly id: string;
  readonly isOptional: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface SshMount extends MountCommon {
  readonly type: 'ssh';
  readonly id: string;
  readonly isOptional: boolean;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface FileOperation {
  readonly kind: 'file';
  readonly actions: readonly FileAction[];
  readonly platform: BuildPlatform;
}

/** `input`: what it changes, an index in the vertex's inputs, or those and then the actions before it; -1: nothing is there yet. */
export type FileAction = (CopyAction | MakeFileAction | MakeDirectoryAction | RemoveAction | SymlinkAction) & {
  readonly input: number;
  /** Which of the vertex's results it makes; -1: only a later action uses it. */
  readonly output: number;
};

/** Looked up in the files of `input` of the action (names), or numbers; undefined: as the source has it. */
export interface OwnerChoice {
  /** "name", "1000", "" for root. */
  readonly user: string;
  readonly group: string;
}

export interface CopyAction {
  readonly action: 'copy';
  /** Where from: index as `input`. */
  readonly from: number;
  /** Paths or patterns (Go's filepath.Match) in it, cleaned, absolute. */
  readonly sources: readonly string[];
  /** Absolute; with a slash at the end it is a directory. */
  readonly destination: string;
  readonly owner?: OwnerChoice;
  /** Octal number as text ("0644") or symbolic ("u=rwX,go-w"); undefined: as the source has it. */
  readonly mode?: string;
  readonly exclude: readonly string[];
  /** Archives (of any packing) are unpacked into the destination. */
  readonly unpacks: boolean;
  /** --parents: a path's directories come with it, from "/./" on where that stands in it. */
  readonly keepsParents: boolean;
  /** Links in the destination are not followed: COPY --link, which is done without the files below. */
  readonly replacesLinks: boolean;
  /** A pattern that matches nothing is no error. */
  readonly allowsNoMatch: boolean;
  /** Wildcards are characters like others when not set. */
  readonly hasWildcards: boolean;
  /** Times of all that is made, seconds since 1970; undefined: as the source has them. */
  readonly timestamp?: number;
}

export interface MakeFileAction {
  readonly action: 'make-file';
  readonly path: string;
  /** As base64: plain data. */
  readonly data: string;
  readonly mode: number;
  readonly owner?: OwnerChoice;
  readonly timestamp?: number;
}

export interface MakeDirectoryAction {
  readonly action: 'make-directory';
  readonly path: string;
  readonly mode: number;
  readonly makesParents: boolean;
  readonly owner?: OwnerChoice;
  readonly timestamp?: number;
}

export interface RemoveAction {
  readonly action: 'remove';
  readonly path: string;
  readonly allowsMissing: boolean;
  readonly hasWildcards: boolean;
}

export interface SymlinkAction {
  readonly action: 'symlink';
  readonly path: string;
  readonly target: string;
  readonly owner?: OwnerChoice;
  readonly timestamp?: number;
}

/** Layers of all inputs on top of each other, the first lowest. */
export interface MergeOperation {
  readonly kind: 'merge';
}

/** What the second input has changed of the first. */
export interface DiffOperation {
  readonly kind: 'diff';
}

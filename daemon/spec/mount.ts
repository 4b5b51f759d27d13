// A mount that a container has, as it is decided at create. Types only.

export type Propagation = 'private' | 'rprivate' | 'slave' | 'rslave' | 'shared' | 'rshared';

/** What a mount of type volume asks of the volumes. */
export interface VolumeSource {
  /** Empty until the container is made: then it has a volume of its own. */
  name: string;
  /** Empty: the local one. */
  driver: string;
  /** The name is the engine's: `rm -v` takes the volume too. */
  isAnonymous: boolean;
  /** An empty volume gets what the image has there. */
  copiesUp: boolean;
  /** For making it, when it is not there. */
  labels: Readonly<Record<string, string>> | null;
  options: Readonly<Record<string, string>> | null;
}

/** A mount that the user or the image asked for: validated, target clean and absolute. */
export interface ResolvedMount {
  type: 'bind' | 'tmpfs' | 'volume' | 'image';
  /** Of a bind the absolute host path, of a volume that of its files, of an image its id (as typed, until the container is made); else empty. */
  source: string;
  target: string;
  readonly: boolean;
  /** Bind only: submounts are bound too. */
  recursive: boolean;
  /** Read-only covers the submounts. */
  recursiveReadonly: boolean;
  propagation: Propagation;
  /** What stood behind the second colon of -v, for inspect. */
  mode: string;
  /** -v with a missing source makes a directory; --mount does not. */
  createSource: boolean;
  /** tmpfs: mount(8) words as Docker passes them on. */
  tmpfsOptions: readonly string[];
  /** Type volume only. */
  volume?: VolumeSource;
  /** Of an image: how the user called it. */
  imageName?: string;
  /** Of a volume or an image: what is mounted is below this relative path. */
  subpath?: string;
  /** Given with --tmpfs, which inspect shows among the options and not among the mounts. */
  isUnlisted?: boolean;
}

// What `RUN --mount=…` asks for, when it has been read with the variables that hold there.

export type RunMount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount;

/** Owner and mode as numbers; not given: 0, 0 and docker's default of the kind. */
interface Owned {
  mode?: number;
  uid?: number;
  gid?: number;
}

export interface BindMount {
  type: 'bind';
  /** A stage, an image or a named context; not given: the context. */
  from?: string;
  source: string;
  target: string;
  isReadOnly: boolean;
}

export interface CacheMount extends Owned {
  type: 'cache';
  /** Not given: the target, cleaned. */
  id: string;
  /** What it begins with; not given: an empty directory. */
  from?: string;
  source: string;
  target: string;
  isReadOnly: boolean;
  sharing: 'shared' | 'private' | 'locked';
}

export interface TmpfsMount {
  type: 'tmpfs';
  target: string;
  isReadOnly: boolean;
  sizeBytes?: number;
}

/** At `target`, in the variable `env`, or both. */
export interface SecretMount extends Owned {
  type: 'secret';
  id: string;
  target?: string;
  env?: string;
  isRequired: boolean;
}

export interface SshMount extends Owned {
  type: 'ssh';
  id: string;
  /** Not given: `/run/buildkit/ssh_agent.N`. */
  target?: string;
  isRequired: boolean;
}

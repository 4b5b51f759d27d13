// What making containers needs and keeps between them: facts about the host, compiled seccomp filters, what /proc and /sys have. One
// per engine, built by the composition root.
import { effectiveCapabilities } from './capabilities.ts';
import { type HostFacts, readHostFacts } from './host-facts.ts';
import { PathProbe } from './program/masked-paths.ts';
import { SeccompCompiler } from './seccomp/seccomp-compile.ts';
import { DEFAULT_PROFILE, resolveProfile } from './seccomp/seccomp-profile.ts';

export class RuntimeHost {
  readonly facts: HostFacts;
  readonly seccomp = new SeccompCompiler();
  readonly paths = new PathProbe();

  constructor(facts: HostFacts) {
    this.facts = facts;
  }

  static open(): RuntimeHost {
    return new RuntimeHost(readHostFacts());
  }

  /** Compiles the filter that most containers have (15 ms), so that the first one does not wait for it. */
  warmUp(): void {
    const { arch, kernel, seccomp, capabilities } = this.facts;
    if (!seccomp) return;
    const held = effectiveCapabilities({ isPrivileged: false, capabilities: { add: [], drop: [] } }, capabilities);
    this.seccomp.compile(resolveProfile(DEFAULT_PROFILE, { capabilities: held, arch, kernel }));
  }
}

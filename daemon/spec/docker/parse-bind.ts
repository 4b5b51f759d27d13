// `SOURCE:TARGET[:MODE]` of -v: a host path, or the name of a volume.
import { EngineError } from '../../errors/engine-error.ts';
import type { ResolvedMount } from '../mount.ts';
import { checkTarget } from '../mount-target.ts';
import { parseBindMode } from './mount-modes.ts';
import { bindMount, volumeMount } from './new-mount.ts';

/** Throws 'invalid' in docker's words. */
export function parseBind(spec: string, volumeDriver: string): ResolvedMount {
  const invalid = (why?: string) =>
    new EngineError('invalid', `invalid volume specification: '${spec}'${why === undefined ? '' : `: ${why}`}`);
  const parts = spec.split(':');
  const [source = '', target = '', mode = ''] = parts;
  if (source === '' || parts.length > 3) throw invalid();
  const parsed = parseBindMode(mode);
  // One word is an anonymous volume; `/data:ro` would be one with a mode, which it cannot have.
  if (parts.length === 2 && parseBindMode(target) !== undefined) throw invalid();
  if (parsed === undefined) throw new EngineError('invalid', `invalid mode: ${mode}`);
  const isBind = source.startsWith('/') && parts.length > 1;
  const checked = (): string => {
    try {
      return isBind ? checkTarget(target, source) : checkTarget(parts.length === 1 ? source : target);
    } catch (error) {
      throw error instanceof EngineError && error.code === 'invalid' ? invalid(error.message) : error;
    }
  };
  const { readonly, propagation, nocopy } = parsed;
  if (isBind) {
    if (nocopy) throw new EngineError('invalid', `invalid mode: ${mode}`);
    return bindMount(source, checked(), { readonly, propagation, mode, createSource: true });
  }
  const isAnonymous = parts.length === 1;
  if (propagation !== undefined) {
    throw invalid('invalid mount config for type "volume": field BindOptions must not be specified');
  }
  const volume = {
    name: isAnonymous ? '' : source,
    driver: volumeDriver,
    isAnonymous,
    copiesUp: !nocopy,
    labels: null,
    options: null,
  };
  // Docker relabels volumes of its own for SELinux, and says so where no mode was given.
  return volumeMount(checked(), volume, { readonly, mode: mode === '' && !isAnonymous ? 'z' : mode });
}

/** `CONTAINER[:ro]` of --volumes-from. */
export function parseVolumesFrom(spec: string): { container: string; readonly: boolean } {
  if (spec === '') throw new EngineError('invalid', 'volumes-from specification cannot be an empty string');
  const at = spec.indexOf(':');
  if (at < 0) return { container: spec, readonly: false };
  const mode = spec.slice(at + 1);
  const parsed = parseBindMode(mode);
  if (parsed === undefined || mode === '' || parsed.nocopy || parsed.propagation !== undefined) {
    throw new EngineError('invalid', `invalid mode: ${mode}`);
  }
  return { container: spec.slice(0, at), readonly: parsed.readonly };
}

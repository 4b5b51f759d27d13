// Other machines and containers under names of a container's own: --link and --add-host.
import { isIP } from 'node:net';
import { EngineError } from '../../errors/engine-error.ts';
import { type ExtraHost, hostGateway, type Link } from '../container-spec.ts';

/** `NAME[:ALIAS]`. Throws 'invalid' in docker's words. */
export function parseLink(text: string): Link {
  const [target = '', alias = target.split('/').pop() ?? '', ...rest] = text.split(':');
  if (target === '' || alias === '' || rest.length > 0) {
    throw new EngineError('invalid', `bad format for links: ${text}`);
  }
  return { target: target.replace(/^\//, ''), alias: checkDnsName(alias.split('/').pop() ?? '') };
}

export function checkDnsName(name: string): string {
  if (!/^[\x21-\x7e]{1,255}$/.test(name)) throw new EngineError('invalid', `invalid alias: ${JSON.stringify(name)}`);
  return name;
}

/** `NAME:ADDRESS` or `NAME=ADDRESS`. Throws 'invalid' in docker's words. */
export function parseExtraHost(text: string): ExtraHost {
  const at = text.search(/[:=]/);
  const name = at < 0 ? '' : text.slice(0, at);
  if (name === '' || /\s/.test(text)) throw new EngineError('invalid', `bad format for add-host: "${text}"`);
  const address = text.slice(at + 1).replace(/^\[(.*)\]$/, '$1');
  if (address !== hostGateway && isIP(address) === 0) {
    throw new EngineError('invalid', `invalid IP address in add-host: "${address}"`);
  }
  return { name, address };
}

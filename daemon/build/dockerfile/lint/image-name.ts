/** Whether a text can name an image, as `FROM` takes one. Source: distribution's reference grammar, with docker's own defaults. */
export function isImageName(text: string): boolean {
  const match =
    /^([^@]*?)(?::(\w[\w.-]{0,127}))?(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?$/.exec(
      text,
    );
  const name = match?.[1];
  if (name === undefined || name === '' || /^[0-9a-f]{64}$/.test(text)) return false;
  const slash = name.indexOf('/');
  const domain = slash < 0 ? '' : name.slice(0, slash);
  const hasDomain = /[.:A-Z]/.test(domain) || domain === 'localhost';
  const path = hasDomain ? name.slice(slash + 1) : name;
  if (hasDomain && !isDomain(domain)) return false;
  return path.length <= 255 && path.split('/').every(isPathPart);
}

function isDomain(text: string): boolean {
  const host = text.replace(/:\d+$/, '');
  if (/^\[[0-9a-fA-F:]+\]$/.test(host)) return true;
  return host.split('.').every((part) => /^[a-zA-Z0-9]([a-zA-Z0-9-]*[a-zA-Z0-9])?$/.test(part));
}

function isPathPart(text: string): boolean {
  return /^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/.test(text);
}

// The OCI spec's list of namespaces.
import type { NamespaceChoice, NamespacePlan } from './container-input.ts';
import type { OciNamespace, OciNamespaceType } from './oci-spec.ts';

/** The spec's list: new namespaces without a path, joined ones with it, the host's left out. */
export function specNamespaces(plan: NamespacePlan, hasTime: boolean): OciNamespace[] {
  const list: OciNamespace[] = [{ type: 'mount' }];
  const add = (type: OciNamespaceType, choice: NamespaceChoice, file: string) => {
    if (choice === 'host') return;
    if (choice === 'private') list.push({ type });
    else if ('pid' in choice) list.push({ type, path: `/proc/${choice.pid}/ns/${file}` });
    else list.push({ type, path: `/proc/self/fd/${choice.fd}` });
  };
  add('network', plan.network, 'net');
  add('uts', plan.uts, 'uts');
  add('pid', plan.pid, 'pid');
  add('ipc', plan.ipc, 'ipc');
  add('cgroup', plan.cgroup, 'cgroup');
  if (hasTime) list.push({ type: 'time' });
  return list;
}

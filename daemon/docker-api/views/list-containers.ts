// Docker's objects for the containers of a list, and of what the engine uses, with the human status that docker's daemon writes.
import type { ListedContainer } from '../../containers/seen/seen-container.ts';
import type { UsedContainer } from '../../containers/system-service.ts';
import type { ContainerSummary } from '../../docker-types/container.ts';
import { listedBody } from '../../spec/docker/to-docker.ts';
import type { ApiLog } from '../services.ts';
import { mountPoints } from './mount-points.ts';
import { listedNetworks, summaryPorts } from './network-settings.ts';
import { statusText } from './status-text.ts';

/** Whatever is wrong with one: the others are shown, and it is, with what is certain. */
export function summaryView(log: ApiLog, container: ListedContainer, nowNs: bigint): ContainerSummary {
  return { ...summarise(log, container, nowNs), ...listedSizes(container) };
}

/** A container's size is what it takes of the disk, with its logs. */
export function usageView(log: ApiLog, container: UsedContainer, nowNs: bigint): ContainerSummary {
  const { usedBytes } = container;
  return { ...summaryView(log, container, nowNs), ...(usedBytes === undefined ? {} : { SizeRw: usedBytes }) };
}

function summarise(log: ApiLog, container: ListedContainer, nowNs: bigint): ContainerSummary {
  try {
    return summaryOf(container, nowNs);
  } catch (error) {
    const { record, state } = container;
    log.warn({ err: error, container: record.id, name: record.name }, 'cannot list a container: its record is damaged');
    return {
      Id: record.id,
      Names: [`/${record.name}`],
      Image: record.imageId,
      ImageID: record.imageId,
      Command: '',
      Created: 0,
      Ports: [],
      Labels: {},
      State: state.status,
      Status: state.status,
      ...listedBody(undefined),
      NetworkSettings: { Networks: {} },
      Mounts: [],
    };
  }
}

function summaryOf(container: ListedContainer, nowNs: bigint): ContainerSummary {
  const { record, state, linkNames, imageName } = container;
  return {
    Id: record.id,
    Names: [...linkNames.map(({ by, alias }) => `/${by}/${alias}`), `/${record.name}`],
    Image: imageName ?? record.imageId,
    ImageID: record.imageId,
    Command: commandText(record.spec.process.args),
    Created: Number(BigInt(record.createdNs) / 1_000_000_000n),
    Ports: summaryPorts(container),
    Labels: { ...record.spec.labels },
    State: container.isRemoving && !container.isRunning ? 'removing' : state.status,
    Status: statusText(state, nowNs),
    ...listedBody(record.body),
    NetworkSettings: { Networks: listedNetworks(container) },
    Mounts: mountPoints(container),
  };
}

/** Docker's lists leave a size of nothing out; inspect has it. */
function listedSizes({ sizes }: ListedContainer): Pick<ContainerSummary, 'SizeRw' | 'SizeRootFs'> {
  if (sizes === undefined) return {};
  const { writtenBytes, imageBytes } = sizes;
  const whole = imageBytes + writtenBytes;
  return { ...(writtenBytes === 0 ? {} : { SizeRw: writtenBytes }), ...(whole === 0 ? {} : { SizeRootFs: whole }) };
}

/** Words with blanks in quotes, as docker shows them. */
function commandText(words: readonly string[]): string {
  const [path = '', ...args] = words;
  return [path, ...args.map((word) => (/\s/.test(word) ? `'${word}'` : word))].join(' ');
}

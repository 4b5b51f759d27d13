// docker-py reads the hijacked socket behind its HTTP library's back: bytes that come with the answer's head are lost to it. So output of
// an exec that ends at once is the hard case, and it is tried many times.
import { expect } from 'vitest';
import { testNeeding } from '../harness/needs.ts';
import { mustRun } from '../harness/run-command.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
const python = (script: string) =>
  mustRun(
    'python3',
    ['-c', `import docker, io, tarfile\nclient = docker.DockerClient(base_url='${fixture.daemon.host}')\n${script}`],
    { timeoutMs: 60_000 },
  );

testNeeding('python3 docker module')(
  'volumes and health',
  async () => {
    const printed = await python(`
from docker.types import Mount, Healthcheck
import time
v = client.volumes.create('py-data', labels={'a': 'b'})
print(v.name, v.attrs['Driver'], v.attrs['Labels'])
client.containers.run('busybox', ['sh', '-c', 'echo kept > /data/f'], volumes={'py-data': {'bind': '/data', 'mode': 'rw'}}, remove=True)
print(client.containers.run('busybox', ['cat', '/x/f'], mounts=[Mount('/x', 'py-data', read_only=True)], remove=True).decode().strip())
c = client.containers.run('busybox', ['sleep', '1000'], detach=True, volumes=['/anonymous'], volumes_from=[],
    healthcheck=Healthcheck(test=['CMD', 'true'], interval=20 * 1000000))
while c.attrs['State'].get('Health', {}).get('Status') != 'healthy':
    time.sleep(0.02)
    c.reload()
print(sorted(m['Type'] for m in c.attrs['Mounts']), len(client.volumes.list()), len(client.volumes.list(filters={'dangling': True})))
c.remove(force=True, v=True)
print([x.name for x in client.volumes.list()], client.df()['Volumes'][0]['UsageData'])
v.remove()
try:
    client.volumes.get('py-data')
except docker.errors.NotFound:
    print('gone')
print(client.volumes.prune()['VolumesDeleted'])
`);
    expect(printed).toBe(
      "py-data local {'a': 'b'}\nkept\n['volume'] 2 1\n['py-data'] {'Size': 5, 'RefCount': 0}\ngone\n[]\n",
    );
  },
  90_000,
);

testNeeding('python3 docker module')(
  'run, exec, logs, archives, wait and events',
  async () => {
    const printed = await python(`
print(client.containers.run('busybox', ['sh', '-c', 'echo out'], remove=True).decode().strip())
c = client.containers.run('busybox', ['sleep', '1000'], detach=True, name='py', labels={'a': 'b'})
print(c.labels)
for n in range(40):
    code, output = c.exec_run(['echo', str(n)])
    assert code == 0 and output.decode() == '%d\\n' % n, (n, code, output)
code, (out, err) = c.exec_run(['sh', '-c', 'echo o; echo e >&2; exit 3'], demux=True)
print(code, out, err)
tar = io.BytesIO()
with tarfile.open(fileobj=tar, mode='w') as t:
    info = tarfile.TarInfo('put')
    info.size = 3
    t.addfile(info, io.BytesIO(b'abc'))
assert c.put_archive('/tmp', tar.getvalue())
bits, stat = c.get_archive('/tmp/put')
print(stat['name'], stat['size'], b'abc' in b''.join(bits))
c.stop(timeout=0)
print(c.wait()['StatusCode'])
print([x.name for x in client.containers.list(all=True, filters={'label': 'a=b'})])
c.remove()
try:
    client.containers.get('py')
except docker.errors.NotFound:
    print('gone')
print(client.images.get('busybox').tags, client.version()['ApiVersion'])
`);
    expect(printed).toBe(
      "out\n{'a': 'b'}\n3 b'o\\n' b'e\\n'\nput 3 True\n137\n['py']\ngone\n['busybox:latest'] 1.51\n",
    );
  },
  90_000,
);

testNeeding('python3 docker module')(
  "restart policies, execs with a terminal, a socket, a network's name, link-local addresses and a load that fails",
  async () => {
    const printed = await python(`
import socket
from docker.utils.socket import frames_iter
api = client.api
def created(**host):
    id = api.create_container('busybox', ['true'], host_config=api.create_host_config(**host))['Id']
    policy = api.inspect_container(id)['HostConfig']['RestartPolicy']
    api.remove_container(id)
    return policy['Name'], policy['MaximumRetryCount']
print(created(restart_policy={'Name': 'on-failure', 'MaximumRetryCount': 5}), created(restart_policy={'Name': 'always'}))

c = client.containers.run('busybox', ['sleep', '1000'], detach=True)
def executed(made_with, **start):
    return api.exec_start(api.exec_create(c.id, ['sh', '-c', 'echo o'], tty=made_with), **start)
print(executed(True, tty=True), executed(True), b''.join(executed(True, tty=True, stream=True)), executed(True, tty=True, demux=True))

s = api.exec_start(api.exec_create(c.id, ['cat'], stdin=True), socket=True)
s._sock.sendall(b'typed')
s._sock.shutdown(socket.SHUT_WR)
print(b''.join(data for _, data in frames_iter(s, False)))
s = api.exec_start(api.exec_create(c.id, ['echo', 'x'], tty=True), tty=True, socket=True)
print(b''.join(data for _, data in frames_iter(s, True)))

n = client.networks.create('a name with spaces')
print(client.networks.list(names=['a name with spaces'])[0].name)
n.connect(c, link_local_ips=['169.254.8.8'])
c.reload()
print(c.attrs['NetworkSettings']['Networks'][n.name]['IPAMConfig'])
c.remove(force=True)
n.remove()

for archive in (b'abc', b''):
    try:
        client.images.load(archive)
    except docker.errors.ImageLoadError as e:
        print('ImageLoadError', len(str(e)) > 5)
c = client.containers.run('busybox', ['sleep', '1000'], detach=True,
    healthcheck={'test': ['CMD-SHELL', 'exit 1'], 'interval': 100 * 1000000, 'retries': 2})
import time
while c.attrs['State'].get('Health', {}).get('Status') in (None, 'starting'):
    time.sleep(0.02)
    c.reload()
print(c.attrs['State']['Health']['Status'])
c.remove(force=True)
`);
    expect(printed.split('\n')).toEqual([
      "('on-failure', 5) ('always', 0)",
      "b'o\\r\\n' b'o\\r\\n' b'o\\r\\n' (b'o\\r\\n', None)",
      "b'typed'",
      "b'x\\r\\n'",
      'a name with spaces',
      "{'LinkLocalIPs': ['169.254.8.8']}",
      'ImageLoadError True',
      'ImageLoadError True',
      'unhealthy',
      '',
    ]);
  },
  90_000,
);

# Copyright: (c) 2026, The overc.system authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What services of the host use is found in their own files: exports, stopped containers of other engines, machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.overc.system.plugins.module_utils.errors import OvercError
from ansible_collections.overc.system.plugins.module_utils.overlay import services

from .test_containers import configure, populate
from .test_users import refused, who
from .world import World


@pytest.fixture
def two(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """c0 and c1, alike, on a host whose services have their files below ``world.base``/services."""
    monkeypatch.setattr(services, "_ROOT", str(world.base / "services"))
    populate(world.host)
    for name in ("c0", "c1"):
        configure(world.container(name, of=world.host))
        (world.containers / name / "fstab").write_text("")
    return world


_DOCKER = "var/lib/docker/containers/0123"
FILES: dict[str, tuple[str, str, str]] = {
    "exported": ("etc/exports", "# all\n/srv *(ro)\n{c1}/usr 10.0.0.0/8(ro)\n", "the NFS server"),
    "exported, by another name": ("etc/exports.d/x.exports", '"{c1}/usr/share" *(ro)\n', "the NFS server"),
    "exported now": ("var/lib/nfs/etab", "{c1}\t*(ro,sync)\n", "the NFS server"),
    "bind of Docker": (
        f"{_DOCKER}/hostconfig.json",
        json.dumps({"Binds": ["{c1}/usr/share:/data:ro"]}),
        "a container of Docker",
    ),
    "mount of Docker": (
        f"{_DOCKER}/config.v2.json",
        json.dumps({"MountPoints": {"/data": {"Type": "bind", "Source": "{c1}/usr"}}}),
        "a container of Docker",
    ),
    "volume of Docker": (
        "var/lib/docker/volumes/v/opts.json",
        json.dumps({"MountType": "none", "MountOpts": "bind", "MountDevice": "{c1}/usr"}),
        "a volume of Docker",
    ),
    "Podman": (
        "var/lib/containers/storage/overlay-containers/0123/userdata/config.json",
        json.dumps({"mounts": [{"destination": "/x", "type": "bind", "source": "{c1}/usr/share"}]}),
        "a container of Podman",
    ),
    "file system of a machine": (
        "etc/libvirt/lxc/x.xml",
        "<domain><devices><filesystem type='mount'><source dir='{c1}/usr'/></filesystem></devices></domain>",
        "libvirt",
    ),
    "disk of a machine": ("etc/libvirt/qemu/x.xml", '<disk><source  file="{c1}/usr/share/d/f1"/></disk>', "libvirt"),
    "pool of disks": ("etc/libvirt/storage/x.xml", "<target>\n<path>{c1}/usr/share</path></target>", "libvirt"),
    "share": ("etc/samba/smb.conf", "[x]\n  Path = {c1}/usr\n  read only = yes\n", "Samba"),
    "share, in quotes": ("etc/samba/smb.conf", '[x]\n  path = "{c1}/usr" \n', "Samba"),
    "share of a user": ("var/lib/samba/usershares/x", "#VERSION 2\npath={c1}/usr\ncomment=\n", "Samba"),
    "module of rsync": ("etc/rsyncd.conf", "[x]\npath={c1}/usr\n", "rsync"),
}

# Asked for by check mode only: how they are found is one way for all
MORE: dict[str, tuple[str, str, str]] = {
    "disk of LXD": (
        "var/lib/lxd/storage-pools/default/containers/x/backup.yaml",
        "container:\n  devices:\n    data:\n      path: /data\n      source: {c1}/usr/share\n      type: disk\n",
        "a container of LXD",
    ),
    "disk of Incus": (
        "var/lib/incus/storage-pools/p/containers/x/backup.yaml",
        'devices:\n  - source: "{c1}"\n    type: disk\n',
        "a container of Incus",
    ),
    "map of the automounter": ("etc/auto.misc", "data -fstype=bind :{c1}/usr/share\n", "the automounter"),
    "further maps": (
        "etc/auto.master.d/x.autofs",
        "/srv /etc/auto.srv\n/x program:{c1}/usr/share/d/f1\n",
        "the automounter",
    ),
    "schroot": ("etc/schroot/chroot.d/x", "[x]\ntype=directory\ndirectory={c1}\n", "schroot"),
    "encrypted": ("etc/crypttab", "data {c1}/usr/share/d/f1 none luks\n", "the host"),
    "key": ("etc/crypttab", "data /dev/vdz {c1}/usr/share/d/f1\n", "the host"),
    "cron": ("etc/cron.d/x", "1 1 * * * root tar -cf /srv/x.tar '{c1}/usr'\n", "cron"),
    "cron of somebody": ("var/spool/cron/crontabs/x", "@daily {c1}/usr/bin/x\n", "cron"),
    "iSCSI": (
        "etc/tgt/conf.d/x.conf",
        "<target x>\n backing-store {c1}/usr/share/d/f1\n</target>\n",
        "an iSCSI target",
    ),
    "LIO": ("etc/target/saveconfig.json", '{"dev": "{c1}/usr/share/d/f1"}', "an iSCSI target"),
    "NBD": ("etc/nbd-server/config", "[x]\nexportname = {c1}/usr/share/d/f1\n", "the NBD server"),
    "web": ("etc/nginx/sites-enabled/x", "server { root {c1}/usr/share; }\n", "a web server"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_service_that_uses_the_directory(two: World, name: str) -> None:
    file, text, expected = FILES[name]
    path = two.base / "services" / file
    path.parent.mkdir(parents=True)
    path.write_text(text.replace("{c1}", str(two.containers / "c1/rootfs")))
    assert who(refused(two)) == {expected}
    path.write_text(text.replace("{c1}", str(two.containers / "c0/rootfs")))
    assert two.run()["changed"]


def test_further_services_that_use_the_directory(two: World) -> None:
    c0, c1 = two.containers / "c0/rootfs", two.containers / "c1/rootfs"
    for name, (file, text, expected) in MORE.items():
        path = two.base / "services" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("{c1}", str(c1)))
        with pytest.raises(OvercError) as caught:
            two.run(check=True)
        assert {user["who"] for user in caught.value.facts["users"]} == {expected}, name
        path.write_text(f"# {c1}/usr\n" * (path.suffix != ".json") + text.replace("{c1}", str(c0)))
    assert two.run()["changed"]


@pytest.mark.parametrize(
    ("file", "line", "included"),
    [
        ("etc/samba/smb.conf", "include = /etc/samba/more/shares.conf", "etc/samba/more/shares.conf"),
        ("etc/samba/smb.conf", 'Include="/etc/samba/more/of.%m.conf"', "etc/samba/more/of.client.conf"),
        ("etc/rsyncd.conf", "&include /etc/rsyncd.d", "etc/rsyncd.d/x.conf"),
        ("etc/rsyncd.conf", "&merge\t/etc/rsyncd.inc", "etc/rsyncd.inc"),
    ],
)
def test_what_a_file_of_settings_takes_from_others(two: World, file: str, line: str, included: str) -> None:
    base = two.base / "services"
    for path in (base / file, base / included):
        path.parent.mkdir(parents=True, exist_ok=True)
    # One that names itself has an end as well, and one that is not there says nothing
    (base / file).write_text(f"[global]\n{line}\ninclude = /{file}\n&include /etc/nothing\ninclude = registry\n")
    (base / included).write_text(f"[x]\npath = {two.containers}/c1/rootfs/usr\n")
    assert who(refused(two)) == {"Samba" if "samba" in file else "rsync"}
    (base / included).unlink()
    (base / included).mkdir()
    assert two.run()["changed"]


def test_a_path_that_is_too_long_for_any_file_is_nobody_s(two: World) -> None:
    path: Path = two.base / "services/etc/exports"
    path.parent.mkdir(parents=True)
    path.write_text(f"/{'x' * 300} *(ro)\n/{'y/' * 3000} *(ro)\n")
    assert two.run()["changed"]


def test_a_machine_that_is_a_link_to_the_container(two: World) -> None:
    machines = two.base / "services/var/lib/machines"
    machines.mkdir(parents=True)
    (machines / "guest").symlink_to(two.containers / "c1/rootfs")
    assert who(refused(two)) == {"container 'guest' of systemd-nspawn"}
    (machines / "guest").unlink()
    (machines / "guest").symlink_to("/nowhere")
    assert two.run()["changed"]


def test_a_file_that_nobody_understands_is_not_taken_for_nobody(two: World) -> None:
    path: Path = two.base / "services" / _DOCKER / "config.v2.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"MountPoints": ')
    with pytest.raises(OvercError) as caught:
        two.run()
    assert (caught.value.error_id, "config.v2.json" in caught.value.message) == ("inconsistent", True)

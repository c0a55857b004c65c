package maildirout

import "golang.org/x/sys/unix"

// fileSystems are the kinds that statfs tells. (statfs(2))
var fileSystems = map[int64]Traits{
	0xef53:     {FileSystem: "ext4"},
	0x9123683e: {FileSystem: "btrfs"},
	0x58465342: {FileSystem: "xfs"},
	0x2fc12fc1: {FileSystem: "zfs"},
	0xf2f52010: {FileSystem: "f2fs"},
	0xca451a4e: {FileSystem: "bcachefs"},
	0x794c7630: {FileSystem: "overlay"},
	0x01021994: {FileSystem: "tmpfs", IsVolatile: true},
	0x858458f6: {FileSystem: "ramfs", IsVolatile: true},
	0x6969:     {FileSystem: "nfs", IsRemote: true},
	0xff534d42: {FileSystem: "cifs", IsRemote: true},
	0xfe534d42: {FileSystem: "smb3", IsRemote: true},
	0x517b:     {FileSystem: "smb", IsRemote: true},
	0x00c36400: {FileSystem: "ceph", IsRemote: true},
	0x01021997: {FileSystem: "9p", IsRemote: true},
	0x65735546: {FileSystem: "fuse"},
	0x4d44:     {FileSystem: "vfat", LacksLinks: true, LacksColons: true},
	0x2011bab0: {FileSystem: "exfat", LacksLinks: true, LacksColons: true},
	0x5346544e: {FileSystem: "ntfs"},
	0x7366746e: {FileSystem: "ntfs3"},
}

func examine(dir string) Traits {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return Traits{}
	}
	traits := fileSystems[int64(uint32(stat.Type))]
	traits.Files, traits.FreeFiles = stat.Files, stat.Ffree
	traits.IsReadOnly = int64(stat.Flags)&unix.ST_RDONLY != 0
	return traits
}

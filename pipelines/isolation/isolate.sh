# Run by IsolatedCommand, under its supervisor, as: unshare … /bin/sh -c THIS sh ROOT TREE DISK_BYTES UID PROCESSES FILE_BYTES CPU_SECONDS READABLE COMMAND
# Already in mount, pid, network, ipc and uts namespaces of its own. Builds a root that holds only what a build needs, all of it read-only but the
# tree's copy and /tmp, which are one tmpfs of limited size; then gives up every privilege and runs the command.
set -eu
root=$1 tree=$2 disk=$3 uid=$4 processes=$5 file=$6 cpu=$7 readable=$8 command=$9

mount --make-rprivate /
mount -t tmpfs -o "size=$disk,nr_inodes=1000000,mode=755,nosuid,nodev" gauntlet "$root"
cd "$root"
mkdir build dev old proc tmp

# A read-only view of a folder of the host at the same place.
show() {
    mkdir -p ".$1"
    mount --bind "$1" ".$1"
    mount -o remount,bind,ro,nosuid "$1" ".$1" 2>/dev/null || mount -o remount,bind,ro,nosuid,nodev "$1" ".$1"
}
for folder in /usr /etc /opt; do
    [ ! -d "$folder" ] || show "$folder"
done
for folder in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$folder" ]; then ln -s "$(readlink "/$folder")" "$folder"; elif [ -d "/$folder" ]; then show "/$folder"; fi
done
for folder in $readable; do show "$folder"; done

for device in null zero full random urandom kvm; do
    [ ! -e "/dev/$device" ] || { : >"dev/$device"; mount --bind "/dev/$device" "dev/$device"; }
done
ln -s /proc/self/fd dev/fd
mkdir dev/shm
chmod 1777 tmp dev/shm
mount -t proc -o nosuid,nodev,noexec proc proc

# A folder is copied; a tar file is unpacked by the command's own user, who then owns all of it, from descriptor 3.
if [ -d "$tree" ]; then
    cp -a "$tree/." build/
    [ "$(id -u)" != 0 ] || [ "$uid" = 0 ] || chown -R "$uid:$uid" build
else
    exec 3<"$tree"
    [ "$(id -u)" != 0 ] || [ "$uid" = 0 ] || chown "$uid:$uid" build
fi

pivot_root . old
umount -l /old
rmdir /old
cd /build
if [ "$uid" = 0 ]; then
    # In a user namespace this is root only by name; its capabilities go all the same.
    exec setpriv --no-new-privs --bounding-set=-all --inh-caps=-all prlimit --core=0 "--nproc=$processes" "--fsize=$file" "--cpu=$cpu" /bin/sh -c "$command"
fi
exec setpriv "--reuid=$uid" "--regid=$uid" --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \
    prlimit --core=0 "--nproc=$processes" "--fsize=$file" "--cpu=$cpu" /bin/sh -c "$command"

using Gauntlet.Vmm.Accel;
using Gauntlet.Vmm.Program.Options;
using Gauntlet.Vmm.Protocols.Qmp;

namespace Gauntlet.Vmm.Program;

/// <summary>What is printed instead of running a machine.</summary>
internal static class Listings
{
    public static string Of(Listing listing) => listing switch
    {
        Listing.Version => $"gvmm version {ProtocolCommands.Version.ToString(3)}\n",
        Listing.Accelerators => $"Accelerators supported in gvmm:\n{Lines(AcceleratorFactory.Names)}",
        Listing.Machines => "Supported machines are:\nnone                 empty machine\npc                   Standard PC (i440FX + PIIX, 1996) (default)\nq35                  Standard PC (Q35 + ICH9, 2009)\nmicrovm              microvm (i386)\n",
        Listing.Devices => string.Concat(DeviceCatalog.Names.Select(name => $"name \"{name}\", bus {BusOf(name)}\n")),
        Listing.Cpus => $"Available CPUs:\n{Lines(IntrospectionCommands.CpuModels)}\nFlags follow the model: -cpu max,+svm,-x2apic\n",
        // The line that QEMU has first, and that scripts take the version from.
        _ => $"gvmm emulator version {ProtocolCommands.Version.ToString(3)}\n{Help}",
    };

    private static string BusOf(string device) => device switch
    {
        "isa-debug-exit" or "pc-testdev" or "pvpanic" => "ISA",
        "ide-hd" or "ide-cd" => "IDE",
        "virtconsole" or "virtserialport" => "virtio-serial-bus",
        _ => device.EndsWith("-device", StringComparison.Ordinal) ? "virtio-bus" : "PCI",
    };

    private const string Help = """
        usage: gvmm [options]

        Runs a guest, with the part of QEMU's command line that test suites use. An option has one dash or two.

        Machine
          -M, -machine TYPE[,prop=value]  pc (default), q35, microvm, none; accel=kvm:tcg, kernel-irqchip=on|split|off, pit=on|off, hpet=on|off,
                                          kernel-format=auto|multiboot|pvh|flat; of a microvm acpi=, pic=, rtc=, isa-serial=on|off
          -accel NAME[,prop=value]        kvm, tcg, qtest; several: the first that can be had; -enable-kvm is -accel kvm
          -cpu MODEL[,+flag,-flag]        host, max, qemu64 (default)
          -smp N                          or cpus=N, sockets=, cores=, threads=
          -m SIZE                         MiB, or with K, M, G, T (default 128M)
          -numa node[,cpus=N-M][,mem=SIZE|,memdev=ID]  a node of its own, told by ACPI's SRAT; -numa dist,src=N,dst=M,val=V by SLIT
          -object memory-backend-ram,id=ID,size=SIZE  memory of a node, or with -machine memory-backend=ID all of it
          -smbios type=N[,FIELD=TEXT]     fields of types 0, 1, 2, 3, 4, 11, 17: -smbios type=1,manufacturer=M,serial=S
          -rtc base=utc|localtime|TIME
        Boot
          -kernel FILE                    Linux bzImage, multiboot 1 (ELF32 or by address), ELF with a PVH entry, or a flat binary
          -initrd FILE[ ARGS][,FILE...]   the initrd, or multiboot modules
          -bios FILE                      firmware, entered at the reset vector; without -kernel and -bios Debian's SeaBIOS
          -append TEXT                    the kernel's command line
          -fw_cfg name=N,file=F|string=S
          -boot [order=][,menu=on][,splash-time=MS][,reboot-timeout=MS]
          -uuid UUID
        Devices
          -device NAME[,prop=value]       -device help lists them
          -drive file=F,id=ID[,format=raw|qcow2][,readonly=on][,cache=][,discard=][,snapshot=on][,rerror=][,werror=]  a disk for -device virtio-blk-pci,drive=ID or ide-hd; if=virtio|ide: with a
                                          device of its own; if=pflash: firmware
          -hda FILE, ... -hdd FILE        disks on the IDE buses; -cdrom FILE; -blockdev driver=D,node-name=ID,filename=F
          -device virtio-serial-pci -device virtconsole,chardev=ID -device virtserialport,chardev=ID,name=NAME
          -netdev KIND,id=ID[,...]        a network for -device virtio-net-pci,netdev=ID: socket (fd=, listen= or connect=HOST:PORT, udp= and localaddr=), stream and
                                          dgram (addr.type=, local.type=, remote.type= inet, unix, fd), tap (ifname=, fd=), user (passt; hostfwd=tcp::PORT-:PORT)
          -object filter-dump,netdev=ID,file=F[,maxlen=N]  the frames of a network, as a pcap file
          -blockdev driver=D,node-name=N[,...]  null-co, file, raw, qcow2, blkdebug, also as JSON; a device finds it by drive=N
          -global DRIVER.PROP=VALUE       kvm-pit.lost_tick_policy=delay|discard, or a device's property
          -chardev KIND,id=ID[,...]       null, stdio, pty, file, pipe, ringbuf, socket (path=, or host= and port=; server=, wait=); mux=on shares it
          -serial TARGET                  stdio, mon:stdio (Ctrl-A c: monitor, Ctrl-A x: end), null, pty, file:PATH, pipe:PATH,
                                          unix:PATH[,server=on][,wait=off], tcp:HOST:PORT[,...], chardev:ID
          -display none, -nographic, -nodefaults
        Running
          -qmp TARGET, -monitor TARGET    as for -serial; -mon chardev=ID[,mode=control] (QMP) or mode=readline
          -qtest TARGET [-qtest-log FILE] drive the devices from outside; with -accel qtest time is stepped too
          -gdb TARGET, -s                 gdb's remote protocol: as for -serial, a socket listens; -s is -gdb tcp::1234; with -S nothing runs before
          -trace [enable=]PATTERN[,events=FILE][,file=FILE]  tells of events: as text on standard error, or to FILE in QEMU's binary form; -trace help
          -preconfig                      QMP first; x-exit-preconfig starts the machine
          -incoming file:PATH, -loadvm PATH  start from a snapshot (QMP's migrate, the monitor's savevm), with the options that it was taken under
          -icount shift=N                 TCG, one vCPU: time goes by executed instructions, 2^N ns each
          -sandbox on|off[,snapshot=FILE] no new privileges, and a list of system calls for the rest of the run; snapshots are written to FILE only
          -action reboot=|shutdown=|panic=
          -no-reboot, -no-shutdown, -S, -name NAME, -pidfile FILE, -version, -help

        Status: isa-debug-exit's (value << 1) | 1; 0 powered off or ended; 1 refused; 70 a vCPU failed.

        """;

    private static string Lines(IReadOnlyList<string> names) => string.Join('\n', names) + "\n";
}

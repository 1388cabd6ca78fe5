using FsCheck;
using FsCheck.Fluent;
using Gauntlet.Vmm.Chardevs;
using Gauntlet.Vmm.Program.Options;

namespace Gauntlet.Vmm.Tests.Gvmm;

public sealed class OptionParserTests
{
    [Fact]
    public void The_command_line_of_kvm_unit_tests_runner_is_understood()
    {
        var options = Parse("--no-reboot -nodefaults -global kvm-pit.lost_tick_policy=discard -device pc-testdev -device isa-debug-exit,iobase=0xf4,iosize=0x4 "
            + "-display none -serial stdio -device pci-testdev -machine accel=kvm -kernel x86/setjmp.flat -smp 2 -cpu max,+svm -initrd /tmp/env");
        Assert.True(options is { NoReboot: true, NoDefaults: true, CpuCount: 2, Cpu: "max,+svm", Kernel: "x86/setjmp.flat", Initrd: "/tmp/env", Machine: "pc" });
        Assert.Equal(["pc-testdev", "isa-debug-exit", "pci-testdev"], options.Devices.Select(device => device.Driver));
        Assert.Equal("0xf4", options.Devices[1].Properties["iobase"]);
        var accel = Assert.Single(options.Accelerators);
        Assert.Equal(("kvm", "discard"), (accel.Name, accel.Properties["kvm-pit.lost_tick_policy"]));
        Assert.Equal(ChardevKind.Stdio, ChardevOf(options, Assert.Single(options.Serial)).Kind);
    }

    [Fact]
    public void AMachineHasAPitUnlessToldOtherwise()
    {
        Assert.True(Parse("-machine pc").HasPit);
        Assert.False(Parse("-machine pit=off").HasPit);
    }

    [Theory]
    [InlineData("-machine accel=kvm:tcg", "kvm tcg")]
    [InlineData("-accel tcg -accel kvm", "tcg kvm")]
    [InlineData("-accel tcg -machine accel=kvm", "tcg")]
    [InlineData("-enable-kvm", "kvm")]
    [InlineData("", "kvm tcg")]
    public void Accelerators_are_tried_in_the_order_given(string line, string expected) =>
        Assert.Equal(expected, string.Join(' ', Parse(line).Accelerators.Select(accel => accel.Name)));

    [Theory]
    [InlineData("-smp 4", 4)]
    [InlineData("-smp cpus=3", 3)]
    [InlineData("-smp sockets=2,cores=3,threads=2", 12)]
    [InlineData("-smp 4,sockets=1,cores=2,threads=2", 4)]
    [InlineData("-smp 4,cores=2", 4)]
    [InlineData("-smp 2,maxcpus=2", 2)]
    public void Smp_forms(string line, int cpus) => Assert.Equal(cpus, Parse(line).CpuCount);

    [Theory]
    [InlineData("-m 256", 256UL << 20)]
    [InlineData("-m 1G", 1UL << 30)]
    [InlineData("-m size=2048k", 2UL << 20)]
    [InlineData("-m 512M,slots=2,maxmem=1G", 512UL << 20)]
    [InlineData("-m 8g", 8UL << 30)]
    public void Memory_forms(string line, ulong bytes) => Assert.Equal(bytes, Parse(line).RamBytes);

    [Theory]
    [InlineData("-frobnicate", "-frobnicate: invalid option")]
    [InlineData("--vnc :1", "--vnc: invalid option")]
    [InlineData("disk.img", "disk.img: not an option")]
    [InlineData("-netdev vde,id=n", "-netdev vde: there are")]
    [InlineData("-netdev tap", "no id= given")]
    [InlineData("-netdev socket,id=n", "give one of fd=")]
    [InlineData("-netdev socket,id=n,listen=99", "give it as host:port")]
    [InlineData("-netdev tap,id=n,script=/etc/up", "give script=no")]
    [InlineData("-netdev dgram,id=n,local.type=unix,local.path=/l,remote.type=inet,remote.port=1", "both unix or both inet")]
    [InlineData("-netdev user,id=n,hostfwd=22:22", "give it as tcp:")]
    [InlineData("-object rng-random,id=r", "there are filter-dump and memory-backend-ram")]
    [InlineData("-kernel", "-kernel: requires an argument")]
    [InlineData("-device hda", "'hda' is not a valid device model name")]
    [InlineData("-machine isapc", "-machine isapc: unsupported machine type")]
    [InlineData("-machine pc,frob=on", "no property 'frob'")]
    [InlineData("-machine pc,smm=on", "smm=on")]
    [InlineData("-smp 0", "'0' is not a number from 1 to 255")]
    [InlineData("-smp 300", "300")]
    [InlineData("-smp 2,maxcpus=4", "maxcpus")]
    [InlineData("-smp 3,cores=2", "does not make 3 CPUs")]
    [InlineData("-m 64k", "from 1M to 1T")]
    [InlineData("-m lots", "'lots' is not a size")]
    [InlineData("-serial telnet:x", "-serial telnet:x")]
    [InlineData("-serial stdio -serial stdio", "one port only")]
    [InlineData("-serial null -serial null -serial null -serial null -serial null", "5 ports")]
    [InlineData("-display gtk", "only 'none'")]
    [InlineData("-qmp stdio -serial stdio", "one port only")]
    [InlineData("-qmp chardev:x", "no chardev 'x'")]
    [InlineData("-chardev null,id=x -chardev null,id=x", "defined twice")]
    [InlineData("-chardev socket,id=x", "path=, or host= and port=")]
    [InlineData("-chardev ringbuf,id=x,size=3", "power of two")]
    [InlineData("-chardev spice,id=x", "valid char driver")]
    [InlineData("-mon chardev=c,mode=frob", "readline and control")]
    [InlineData("-serial tcp:localhost", "tcp:HOST:PORT")]
    [InlineData("-boot order=1", "'1' is no drive")]
    [InlineData("-action panic=frob", "exit-failure")]
    [InlineData("-global hpet.frob=1", "no such driver")]
    [InlineData("-global kvm-pit.lost_tick_policy=slew", "delay and discard")]
    [InlineData("-rtc base=yesterday", "yesterday")]
    [InlineData("-fw_cfg name=x", "either file= or string=")]
    [InlineData("-uuid 1", "not a UUID")]
    [InlineData("-drive id=a", "no file given")]
    [InlineData("-drive file=a", "its id=")]
    [InlineData("-drive file=a,id=a,format=vmdk", "raw and qcow2")]
    [InlineData("-drive file=a,id=a,if=floppy", "none, virtio, ide and pflash")]
    [InlineData("-drive file=a,id=a,frob=1", "no property 'frob'")]
    public void What_is_wrong_is_named(string line, string message)
    {
        var error = Assert.Throws<OptionException>(() => Parse(line));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-qmp unix:/tmp/q,server=on,wait=off", true, false)]
    [InlineData("-qmp unix:/tmp/q,server,nowait", true, false)]
    [InlineData("-qmp unix:/tmp/q,server=on", true, true)]
    [InlineData("-qmp unix:/tmp/q", false, false)]
    [InlineData("-chardev socket,id=c,path=/tmp/q,server=on,wait=off -mon chardev=c,mode=control", true, false)]
    [InlineData("-mon chardev=c,mode=control -chardev socket,path=/tmp/q,id=c", false, false)]
    public void Qmp_forms(string line, bool server, bool wait)
    {
        var options = Parse(line);
        var monitor = Assert.Single(options.Monitors);
        Assert.True(monitor.IsQmp);
        var chardev = ChardevOf(options, monitor.Chardev);
        Assert.Equal((new SocketAddress("/tmp/q"), server, wait), (chardev.Address, chardev.IsServer, chardev.Waits));
    }

    [Fact]
    public void The_command_line_of_qemus_qtests_is_understood()
    {
        var options = Parse("-qtest unix:/tmp/qtest-1.sock -qtest-log /dev/null -chardev socket,path=/tmp/qtest-1.qmp,id=char0 -mon chardev=char0,mode=control "
            + "-display none -uuid 4600cb32-38ec-4b2f-8acb-81c6ea54f2d8 -boot splash-time=12,reboot-timeout=-1 -action panic=none -rtc clock=vm -accel qtest");
        Assert.Equal(("qtest", "/dev/null", "qtest"), (options.Qtest, options.QtestLog, Assert.Single(options.Accelerators).Name));
        Assert.Equal((12, -1, PanicAction.None), (options.Boot!.SplashMilliseconds, options.Boot.RebootTimeoutMilliseconds, options.PanicAction));
    }

    [Fact]
    public void Tcp_addresses_and_ring_buffers()
    {
        var options = Parse("-serial tcp:localhost:4444,server=on,wait=off -serial chardev:r -chardev ringbuf,id=r,size=4k");
        Assert.Equal(["serial0", "r"], options.Serial);
        Assert.Equal(new SocketAddress(null, "localhost", 4444), ChardevOf(options, "serial0").Address);
        Assert.Equal(4096, ChardevOf(options, "r").Bytes);
    }

    [Fact]
    public void Networks_are_understood_in_all_their_kinds()
    {
        var options = Parse("-netdev socket,id=a,fd=5 -netdev socket,id=b,listen=:99 -netdev stream,id=c,server=on,addr.type=unix,addr.path=/s -netdev tap,id=d,ifname=t0,script=no "
            + "-netdev dgram,id=e,local.type=unix,local.path=/l,remote.type=unix,remote.path=/r -netdev user,id=f,hostfwd=tcp::22-:2222,hostfwd=udp:1.2.3.4:5-:6 -object filter-dump,id=x,netdev=a,file=p");
        Assert.Equal(5, options.Netdevs[0].Descriptor);
        Assert.Equal((true, (ushort)99), (options.Netdevs[1].Listens, options.Netdevs[1].Address!.Port));
        Assert.Equal((true, "/s"), (options.Netdevs[2].Listens, options.Netdevs[2].Address!.Path));
        Assert.Equal((NetdevKind.Tap, "t0"), (options.Netdevs[3].Kind, options.Netdevs[3].Interface));
        Assert.Equal(("/l", "/r"), (options.Netdevs[4].Address!.Path, options.Netdevs[4].Remote!.Path));
        Assert.Equal(["-t", "22:2222", "-u", "1.2.3.4/5:6"], options.Netdevs[5].Forwards);
        Assert.Equal(new FrameDumpOption("a", "p", 65536), Assert.Single(options.FrameDumps));
    }

    private static ChardevOption ChardevOf(GvmmOptions options, string id) => Assert.Single(options.Chardevs, chardev => chardev.Id == id);

    [Fact]
    public void A_drive_is_for_a_device_that_names_it_or_brings_one()
    {
        var drives = Parse("-drive file=a.img,id=d0,format=raw,readonly=on -drive file=b.qcow2,if=virtio").Drives;
        Assert.Equal(new DriveOption("d0", "a.img", "raw", ReadOnly: true, DriveInterface.None), drives[0]);
        Assert.Equal(new DriveOption("", "b.qcow2", null, ReadOnly: false, DriveInterface.Virtio), drives[1]);
    }

    [Fact]
    public void An_ide_drive_is_a_device_whose_bus_and_unit_its_index_says()
    {
        var options = Parse("-hda a.img -cdrom b.iso -drive file=c.img,if=ide,index=1 -global ide-hd.serial=x1");
        Assert.Equal(["ide-hd", "ide-cd", "ide-hd"], options.Devices.Select(device => device.Driver));
        Assert.Equal([("ide.0", "0"), ("ide.1", "0"), ("ide.0", "1")], options.Devices.Select(device => (device.Properties["bus"], device.Properties["unit"])));
        Assert.Equal(options.Drives.Select(drive => drive.Id), options.Devices.Select(device => device.Properties["drive"]));
        Assert.Equal(["x1", "x1"], options.Devices.Where(device => device.Driver == "ide-hd").Select(device => device.Properties["serial"]));
        Assert.True(options.Drives[1] is { ReadOnly: true, IsCdRom: true });
    }

    [Fact]
    public void Firmware_comes_by_a_flash_drive_too()
    {
        Assert.Equal("fw.bin", Parse("-drive if=pflash,format=raw,file=fw.bin").Bios);
        Assert.Equal("node", Parse("-blockdev driver=file,node-name=node,filename=a.img").Blockdevs![0].GetProperty("node-name").GetString());
    }

    [Fact]
    public void A_doubled_comma_is_one_in_a_value()
    {
        Assert.Equal("a,b", OptionParser.Parse(["-fw_cfg", "name=opt/x,string=a,,b"]).FwCfg[0].Text);
        Assert.Equal(["one,two", "three"], PropertyList.Split("one,,two,three"));
    }

    [Fact]
    public void Nographic_connects_the_serial_port_unless_there_are_no_defaults()
    {
        var options = Parse("-nographic");
        Assert.True(ChardevOf(options, Assert.Single(options.Serial)) is { Kind: ChardevKind.Stdio, IsMux: true });
        Assert.Equal(new MonitorOption("serial0", IsQmp: false), Assert.Single(options.Monitors));
        Assert.Empty(Parse("-nographic -nodefaults").Serial);
    }

    [Theory]
    [InlineData("-help", Listing.Help)]
    [InlineData("--version", Listing.Version)]
    [InlineData("-accel help", Listing.Accelerators)]
    [InlineData("-M help", Listing.Machines)]
    [InlineData("-device ?", Listing.Devices)]
    [InlineData("-cpu help", Listing.Cpus)]
    public void Listings_are_asked_for_as_of_qemu(string line, Listing listing) => Assert.Equal(listing, Parse(line).Listing);

    [Fact]
    public void A_snapshot_the_sandbox_and_counted_time_are_asked_for_as_of_qemu()
    {
        Assert.Equal("/a:b", Parse("-incoming file:/a:b").Snapshot);
        Assert.Equal("state", Parse("-loadvm state").Snapshot);
        Assert.True(Parse("-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny").Sandbox);
        Assert.False(Parse("-sandbox off").Sandbox);
        Assert.Equal(7, Parse("-accel tcg -icount shift=7,sleep=off").InstructionShift);
        foreach (var refused in (string[])["-incoming tcp:a:1", "-sandbox maybe", "-sandbox on,spawn=allow", "-sandbox on,x=deny", "-icount shift=auto -accel tcg", "-icount 3 -accel kvm", "-accel tcg -icount 3 -smp 2", "-accel tcg -icount 11"])
            Assert.Throws<OptionException>(() => Parse(refused));
    }

    [Fact]
    public void Any_words_are_understood_or_refused_with_a_message()
    {
        string[] names = ["-M", "-machine", "-accel", "-cpu", "-smp", "-m", "-kernel", "-initrd", "-append", "-device", "-global", "-serial", "-display",
            "-name", "-uuid", "-qmp", "-rtc", "-chardev", "-mon", "-monitor", "-qtest", "-boot", "-action", "-fw_cfg", "-S", "-nodefaults", "--no-reboot"];
        string[] pieces = ["pc", "=", ",", ",,", "kvm", "on", "0x", "9999999999999999999", "-1", "size", "cpus", "unix:", "file:", "tcp:", "chardev:", "mon:", "socket", "id=", "server", "a.b=c", "stdio", "", "é", "\0", "G"];
        var argument = Gen.ListOf(Gen.Elements(pieces)).Select(words => string.Concat(words));
        var line = Gen.ListOf(Gen.OneOf(Gen.Elements(names), argument, ArbMap.Default.GeneratorFor<NonNull<string>>().Select(text => text.Get)));
        Prop.ForAll(line.ToArbitrary(), words =>
        {
            try
            {
                _ = OptionParser.Parse([.. words]);
                return true;
            }
            catch (OptionException refused)
            {
                return refused.Message.Length > 0;
            }
        }).Holds(2000);
    }

    private static GvmmOptions Parse(string line) => OptionParser.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
}

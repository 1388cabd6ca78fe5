using System.Globalization;

namespace Gauntlet.Vmm.Program.Options;

// The machine itself: its type, CPUs, memory, accelerator, clock, and what follows its end.
public sealed partial class OptionParser
{
    // What this machine never has may be switched off.
    private static readonly string[] s_absent = ["usb", "vmport", "smm", "graphics", "nvdimm", "i8042-mouse"];

    // With the value that a PC cannot have.
    private static readonly (string Name, bool AbsentOnPc)[] s_microvmSwitches = [("acpi", false), ("pic", false), ("rtc", false), ("isa-serial", false), ("auto-kernel-cmdline", true)];

    private ulong? _ramBytes;

    private static readonly string[] s_cpuLevels = ["sockets", "dies", "clusters", "cores", "threads"];

    private readonly List<Accel> _accels = [];
    private string? _machineAccel;
    private string? _kernelIrqChip;
    private string? _cpuPowerManagement;

    private sealed record Accel(string Names, Dictionary<string, string> Properties);

    private void ParseMachine(string argument)
    {
        var list = new PropertyList("-machine", argument, "type");
        if (list.Take("type") is { } type)
        {
            if (IsHelp(type))
                _options.Listing = Listing.Machines;
            else
                _options.Machine = type is "pc" or "q35" or "microvm" or "none" ? type
                    : type.StartsWith("pc-i440fx-", StringComparison.Ordinal) ? "pc"
                    : type.StartsWith("pc-q35-", StringComparison.Ordinal) ? "q35"
                    : throw new OptionException($"-machine {type}: unsupported machine type; use -machine help to list supported machines");
        }
        _machineAccel = list.Take("accel") ?? _machineAccel;
        _kernelIrqChip = list.Take("kernel-irqchip") ?? list.Take("kernel_irqchip") ?? _kernelIrqChip;
        if (list.Take("kernel-format") is { } format)
        {
            _options.KernelFormat = format switch
            {
                "auto" => KernelFormat.Auto,
                "multiboot" => KernelFormat.Multiboot,
                "flat" => KernelFormat.Flat,
                "pvh" => KernelFormat.Pvh,
                _ => throw new OptionException($"-machine kernel-format={format}: there are auto, multiboot, pvh, flat"),
            };
        }
        _options.HasPit = TakeSwitchOrAuto(list, "pit") ?? _options.HasPit;
        _options.HasHpet = list.TakeSwitch("hpet") ?? _options.HasHpet;
        ParseMicrovm(list);
        ParseMachineSmp(list);
        if (list.Take("memory-backend") is { } backend)
            (_options.Numa ??= new NumaOptions()).MachineBackend = backend;
        foreach (var absent in s_absent)
        {
            if (list.Take(absent) is "on" or "yes" or "true")
                throw new OptionException($"-machine {absent}=on: gvmm's machines have none");
        }
        // Hints about the host's memory, which change nothing that a guest sees.
        _ = list.Take("mem-merge");
        _ = list.Take("dump-guest-core");
        list.ExpectEmpty("type, accel, kernel-irqchip, kernel-format, pit, hpet, memory-backend, smp.cpus and so on, with microvm acpi, pic, rtc, isa-serial, auto-kernel-cmdline, and those that may be off: usb, vmport, smm, graphics, nvdimm");
    }

    // QEMU, docs/system/i386/microvm.rst. A PC is given with its defaults, as scripts do that serve both.
    private void ParseMicrovm(PropertyList list)
    {
        var isMicrovm = _options.Machine == "microvm";
        foreach (var (name, absent) in s_microvmSwitches)
        {
            if (TakeSwitchOrAuto(list, name) is not { } value)
                continue;
            if (!isMicrovm && value == absent)
                throw new OptionException($"-machine {name}={(value ? "on" : "off")}: only of a microvm, which -machine microvm is");
            switch (name)
            {
                case "acpi":
                    _options.HasAcpi = value;
                    break;
                case "pic":
                    _options.HasPic = value;
                    break;
                case "rtc":
                    _options.HasRtc = value;
                    break;
                case "isa-serial":
                    _options.HasIsaSerial = value;
                    break;
                default:
                    if (!value)
                        throw new OptionException("-machine auto-kernel-cmdline=off: without ACPI the command line is what tells of virtio devices; it is always on");
                    break;
            }
        }
        if (isMicrovm && list.Take("pcie") is "on" or "yes" or "true")
            throw new OptionException("-machine pcie=on: a microvm has no PCI here");
        if (isMicrovm && list.Take("ioapic2") is "on" or "yes" or "true")
            throw new OptionException("-machine ioapic2=on: a microvm has one IOAPIC here");
    }

    // "auto" is what there is when nothing is said.
    private static bool? TakeSwitchOrAuto(PropertyList list, string name) => list.Take(name) switch
    {
        null or "auto" => null,
        "on" or "yes" or "true" => true,
        "off" or "no" or "false" => false,
        var other => throw new OptionException($"-machine {name}={other}: there are on, off, auto"),
    };

    private void ParseAccel(string argument)
    {
        var list = new PropertyList("-accel", argument, "accel");
        var name = list.Take("accel") ?? throw new OptionException($"-accel {argument}: no accelerator named");
        if (IsHelp(name))
            _options.Listing = Listing.Accelerators;
        _accels.Add(new Accel(name, ToDictionary(list)));
    }

    // -machine smp.cpus=8 is -smp cpus=8.
    private void ParseMachineSmp(PropertyList list)
    {
        var words = new List<string>();
        foreach (var key in (ReadOnlySpan<string>)["cpus", "maxcpus", .. s_cpuLevels])
        {
            if (list.Take("smp." + key) is { } value)
                words.Add($"{key}={value}");
        }
        if (words.Count > 0)
            ParseSmp(string.Join(',', words));
    }

    private void ParseObject(string argument)
    {
        var list = new PropertyList("-object", argument, "qom-type");
        switch (list.Take("qom-type"))
        {
            case "filter-dump":
                _options.FrameDumps.Add(FrameDumpOption.Parse(list));
                break;
            case "memory-backend-ram":
                (_options.Numa ??= new NumaOptions()).AddBackend(list);
                break;
            case var type:
                throw new OptionException($"-object {type}: there are filter-dump and memory-backend-ram");
        }
    }

    private void ParseSmp(string argument)
    {
        var list = new PropertyList("-smp", argument, "cpus");
        var count = Take("cpus");
        var maximum = Take("maxcpus");
        var product = 1L;
        foreach (var level in s_cpuLevels)
            product *= Take(level) ?? 1;
        list.ExpectEmpty("cpus, maxcpus, sockets, dies, clusters, cores, threads");
        if (product > Machines.X86Board.MaxCpus)
            throw new OptionException($"-smp {argument}: {product} CPUs, where at most {Machines.X86Board.MaxCpus} are possible");
        _options.CpuCount = count ?? (int)product;
        // What is not given of a topology is worked out; what is must fit.
        if (_options.CpuCount % product != 0)
            throw new OptionException($"-smp {argument}: sockets × cores × threads are {product}, which does not make {_options.CpuCount} CPUs");
        if (maximum is { } most && most != _options.CpuCount)
            throw new OptionException($"-smp {argument}: CPUs cannot be plugged in later, so maxcpus must be {_options.CpuCount}");

        int? Take(string key) => list.Take(key) is { } text ? Numbers.Count($"-smp {key}", text, 1, Machines.X86Board.MaxCpus) : null;
    }

    private void ParseMemory(string argument)
    {
        var list = new PropertyList("-m", argument, "size");
        var size = list.Take("size") ?? throw new OptionException($"-m {argument}: no size given");
        _ = list.Take("slots");
        if (list.Take("maxmem") is { } most && Numbers.Size("-m maxmem", most, 1UL << 20) < Numbers.Size("-m", size, 1UL << 20))
            throw new OptionException($"-m {argument}: maxmem is less than the size");
        list.ExpectEmpty("size, slots, maxmem");
        _ramBytes = Numbers.Size("-m", size, 1UL << 20);
    }

    private void FinishMemory()
    {
        if ((_options.Numa is { } numa ? numa.RamBytes(_ramBytes) : _ramBytes) is not { } bytes)
            return;
        if (bytes is < Machines.X86Board.MinRamBytes or > Machines.X86Board.MaxRamBytes)
            throw new OptionException($"-m: from 1M to 1T is possible, not {bytes} bytes");
        // Rounded as QEMU does, to 8 KiB.
        _options.RamBytes = (bytes + 8191) & ~8191UL;
    }

    private void ParseOvercommit(string argument)
    {
        var list = new PropertyList("-overcommit", argument, null);
        if (list.TakeSwitch("mem-lock") is true)
            throw new OptionException("-overcommit mem-lock=on: guest memory is never locked here");
        if (list.TakeSwitch("cpu-pm") is true)
            _cpuPowerManagement = "on";
        list.ExpectEmpty("mem-lock, cpu-pm");
    }

    private void ParseBoot(string argument)
    {
        var list = new PropertyList("-boot", argument, "order");
        var (order, once, menu) = (list.Take("order"), list.Take("once"), list.TakeSwitch("menu"));
        foreach (var letter in (order ?? "") + (once ?? ""))
        {
            if (letter is < 'a' or > 'p')
                throw new OptionException($"-boot {argument}: '{letter}' is no drive; there are a to p");
        }
        var splash = list.Take("splash-time") is { } time ? Numbers.Count("-boot splash-time", time, 0, ushort.MaxValue) : (int?)null;
        var timeout = list.Take("reboot-timeout") switch
        {
            null => (int?)null,
            "-1" => -1,
            var text => Numbers.Count("-boot reboot-timeout", text, 0, ushort.MaxValue),
        };
        _ = list.TakeSwitch("strict");
        list.ExpectEmpty("order, once, menu, splash-time, reboot-timeout, strict");
        _options.Boot = new BootOption(once ?? order, menu, splash, timeout);
    }

    private void ParseAction(string argument)
    {
        var list = new PropertyList("-action", argument, null);
        switch (list.Take("reboot"))
        {
            case null or "reset":
                break;
            case "shutdown":
                _options.NoReboot = true;
                break;
            case var other:
                throw new OptionException($"-action reboot={other}: there are reset and shutdown");
        }
        switch (list.Take("shutdown"))
        {
            case null or "poweroff":
                break;
            case "pause":
                _options.NoShutdown = true;
                break;
            case var other:
                throw new OptionException($"-action shutdown={other}: there are poweroff and pause");
        }
        _options.PanicAction = list.Take("panic") switch
        {
            null => _options.PanicAction,
            "none" => PanicAction.None,
            "pause" => PanicAction.Pause,
            "shutdown" or "exit-failure" => PanicAction.Shutdown,
            var other => throw new OptionException($"-action panic={other}: there are none, pause, shutdown and exit-failure"),
        };
        list.ExpectEmpty("reboot, shutdown, panic");
    }

    private void ParseRtc(string argument)
    {
        var list = new PropertyList("-rtc", argument, null);
        switch (list.Take("base"))
        {
            case null or "utc":
                break;
            case "localtime":
                _options.RtcLocalTime = true;
                break;
            case var text when DateTime.TryParseExact(text, (string[])["yyyy-MM-dd", "yyyy-MM-ddTHH:mm:ss"], CultureInfo.InvariantCulture,
                DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time):
                _options.RtcBase = time;
                break;
            case var text:
                throw new OptionException($"-rtc base={text}: there are utc, localtime, YYYY-MM-DD and YYYY-MM-DDThh:mm:ss");
        }
        if (list.Take("clock") is { } clock and not ("host" or "vm"))
            throw new OptionException($"-rtc clock={clock}: there are host and vm");
        if (list.Take("driftfix") is { } fix and not "none")
            throw new OptionException($"-rtc driftfix={fix}: there is only none");
        list.ExpectEmpty("base, clock, driftfix");
    }

    private void AddAccelerators(string names, Dictionary<string, string> properties)
    {
        foreach (var name in names.Split(':'))
            _options.Accelerators.Add(new AccelOption(name, new Dictionary<string, string>(properties, StringComparer.Ordinal)));
    }

    private void ApplyToKvm(string property, string value)
    {
        foreach (var accel in _options.Accelerators)
        {
            if (accel.Name == "kvm")
                ((Dictionary<string, string>)accel.Properties).TryAdd(property, value);
        }
    }
}

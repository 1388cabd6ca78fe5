using System.Globalization;

namespace Gauntlet.Vmm.Program.Options;

/// <summary>
/// Reads a command line in QEMU's style: every option with one dash or two, its argument in the next word. What is not known is an error that names it,
/// never ignored: a test that asks for something must not run without it.
/// </summary>
public sealed class OptionParser
{
    /// <summary>More than any kernel takes.</summary>
    public const int MaxAppendBytes = 64 * 1024;

    private const int MaxDevices = 64;

    private readonly GvmmOptions _options = new();
    // What this machine never has may be switched off.
    private static readonly string[] s_absent = ["usb", "vmport", "smm", "hpet", "graphics", "nvdimm", "i8042-mouse"];

    private static readonly string[] s_cpuLevels = ["sockets", "dies", "clusters", "cores", "threads"];

    private readonly List<Global> _globals = [];
    private readonly List<Accel> _accels = [];
    private string? _machineAccel;
    private string? _kernelIrqChip;

    private sealed record Global(string Driver, string Property, string Value);

    private sealed record Accel(string Names, Dictionary<string, string> Properties);

    /// <param name="arguments">Without the program's name.</param>
    /// <exception cref="OptionException">Something that is not known, or does not fit.</exception>
    public static GvmmOptions Parse(ReadOnlySpan<string> arguments) => new OptionParser().ParseAll(arguments);

    private GvmmOptions ParseAll(ReadOnlySpan<string> arguments)
    {
        for (var i = 0; i < arguments.Length; i++)
        {
            var word = arguments[i];
            if (word.Length < 2 || word[0] != '-')
                throw new OptionException($"{word}: not an option; a kernel is given with -kernel, a disk with -drive");
            var name = word.StartsWith("--", StringComparison.Ordinal) ? word[2..] : word[1..];
            if (ParseFlag(name))
                continue;
            if (!TakesArgument(name))
                throw new OptionException($"{word}: invalid option");
            if (i + 1 == arguments.Length)
                throw new OptionException($"{word}: requires an argument");
            ParseWithArgument(name, arguments[++i]);
        }
        Finish();
        return _options;
    }

    // False when it is not an option without an argument.
    private bool ParseFlag(string name)
    {
        switch (name)
        {
            case "enable-kvm":
                _accels.Add(new Accel("kvm", []));
                break;
            case "nodefaults":
                _options.NoDefaults = true;
                break;
            case "nographic":
                _options.NoGraphic = true;
                break;
            case "no-reboot":
                _options.NoReboot = true;
                break;
            case "no-shutdown":
                _options.NoShutdown = true;
                break;
            case "S":
                _options.StartPaused = true;
                break;
            case "preconfig":
                _options.Preconfig = true;
                break;
            case "h" or "help":
                _options.Listing = Listing.Help;
                break;
            case "version":
                _options.Listing = Listing.Version;
                break;
            case "no-user-config" or "no-hpet":
                // There is neither.
                break;
            default:
                return false;
        }
        return true;
    }

    private static bool TakesArgument(string name) => name is "M" or "machine" or "accel" or "cpu" or "smp" or "m" or "kernel" or "initrd" or "append"
        or "device" or "drive" or "global" or "serial" or "display" or "name" or "uuid" or "qmp" or "rtc" or "fw_cfg" or "pidfile" or "vga" or "net" or "nic"
        or "monitor" or "parallel" or "bios" or "chardev" or "mon" or "qtest" or "qtest-log" or "boot" or "action"
        or "incoming" or "loadvm" or "netdev" or "object";

    private void ParseWithArgument(string name, string argument)
    {
        switch (name)
        {
            case "M" or "machine":
                ParseMachine(argument);
                break;
            case "accel":
                ParseAccel(argument);
                break;
            case "cpu":
                if (IsHelp(argument))
                    _options.Listing = Listing.Cpus;
                _options.Cpu = argument;
                break;
            case "smp":
                ParseSmp(argument);
                break;
            case "m":
                ParseMemory(argument);
                break;
            case "kernel":
                _options.Kernel = argument;
                break;
            case "initrd":
                _options.Initrd = argument;
                break;
            case "append":
                if (argument.Length > MaxAppendBytes)
                    throw new OptionException($"-append: {argument.Length} characters, where at most {MaxAppendBytes} fit");
                _options.Append = argument;
                break;
            case "device":
                ParseDevice(argument);
                break;
            case "drive":
                _options.Drives.Add(DriveOption.Parse(argument));
                break;
            case "netdev":
                _options.Netdevs.Add(NetdevOption.Parse(argument));
                break;
            case "object":
                _options.FrameDumps.Add(FrameDumpOption.Parse(argument));
                break;
            case "global":
                ParseGlobal(argument);
                break;
            case "serial":
                ParseSerial(argument);
                break;
            case "qmp":
                AddMonitor("-qmp", argument, isQmp: true);
                break;
            case "monitor":
                AddMonitor("-monitor", argument, isQmp: false);
                break;
            case "mon":
                ParseMon(argument);
                break;
            case "chardev":
                AddChardev(ChardevParser.ParseLong(argument));
                break;
            case "qtest":
                _options.Qtest = argument is "none" ? null : Refer("-qtest", argument, "qtest");
                break;
            case "qtest-log":
                _options.QtestLog = argument;
                break;
            case "boot":
                ParseBoot(argument);
                break;
            case "action":
                ParseAction(argument);
                break;
            case "name":
                _options.Name = new PropertyList("-name", argument, "guest").Take("guest");
                break;
            case "uuid":
                _options.Uuid = Guid.TryParseExact(argument, "D", out var uuid) ? uuid : throw new OptionException($"-uuid {argument}: not a UUID");
                break;
            case "rtc":
                ParseRtc(argument);
                break;
            case "fw_cfg":
                ParseFwCfg(argument);
                break;
            case "incoming":
                const string scheme = "file:";
                if (!argument.StartsWith(scheme, StringComparison.Ordinal) || argument.Length == scheme.Length)
                    throw new OptionException($"-incoming {argument}: a machine comes from a file only; give file:PATH");
                _options.Snapshot = argument[scheme.Length..];
                break;
            case "loadvm":
                _options.Snapshot = argument;
                break;
            case "pidfile":
                _options.PidFile = argument;
                break;
            case "display" or "vga" or "net" or "nic" or "parallel":
                if (argument != "none")
                    throw new OptionException($"-{name} {argument}: there is only 'none' here");
                break;
            default:
                _options.Bios = argument;
                break;
        }
    }

    private static bool IsHelp(string argument) => argument is "help" or "?";

    private void ParseMachine(string argument)
    {
        var list = new PropertyList("-machine", argument, "type");
        if (list.Take("type") is { } type)
        {
            if (IsHelp(type))
                _options.Listing = Listing.Machines;
            else
                _options.Machine = type is "pc" or "none" ? type
                    : type.StartsWith("pc-i440fx-", StringComparison.Ordinal) ? "pc"
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
                _ => throw new OptionException($"-machine kernel-format={format}: there are auto, multiboot, flat"),
            };
        }
        if (list.Take("pit") is { } pit)
        {
            _options.HasPit = pit is "on" or "yes" or "true" ? true
                : pit is "off" or "no" or "false" ? false
                : throw new OptionException($"-machine pit={pit}: there are on, off");
        }
        foreach (var absent in s_absent)
        {
            if (list.Take(absent) is "on" or "yes" or "true")
                throw new OptionException($"-machine {absent}=on: gvmm's machines have none");
        }
        // Hints about the host's memory, which change nothing that a guest sees.
        _ = list.Take("mem-merge");
        _ = list.Take("dump-guest-core");
        list.ExpectEmpty("type, accel, kernel-irqchip, kernel-format, pit, and those that may be off: usb, vmport, smm, hpet, graphics, nvdimm");
    }

    private void ParseAccel(string argument)
    {
        var list = new PropertyList("-accel", argument, "accel");
        var name = list.Take("accel") ?? throw new OptionException($"-accel {argument}: no accelerator named");
        if (IsHelp(name))
            _options.Listing = Listing.Accelerators;
        _accels.Add(new Accel(name, ToDictionary(list)));
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
        if (product > Machines.PcBoard.MaxCpus)
            throw new OptionException($"-smp {argument}: {product} CPUs, where at most {Machines.PcBoard.MaxCpus} are possible");
        _options.CpuCount = count ?? (int)product;
        // What is not given of a topology is worked out; what is must fit.
        if (_options.CpuCount % product != 0)
            throw new OptionException($"-smp {argument}: sockets × cores × threads are {product}, which does not make {_options.CpuCount} CPUs");
        if (maximum is { } most && most != _options.CpuCount)
            throw new OptionException($"-smp {argument}: CPUs cannot be plugged in later, so maxcpus must be {_options.CpuCount}");

        int? Take(string key) => list.Take(key) is { } text ? Numbers.Count($"-smp {key}", text, 1, Machines.PcBoard.MaxCpus) : null;
    }

    private void ParseMemory(string argument)
    {
        var list = new PropertyList("-m", argument, "size");
        var size = list.Take("size") ?? throw new OptionException($"-m {argument}: no size given");
        _ = list.Take("slots");
        if (list.Take("maxmem") is { } most && Numbers.Size("-m maxmem", most, 1UL << 20) < Numbers.Size("-m", size, 1UL << 20))
            throw new OptionException($"-m {argument}: maxmem is less than the size");
        list.ExpectEmpty("size, slots, maxmem");
        var bytes = Numbers.Size("-m", size, 1UL << 20);
        if (bytes is < Machines.PcBoard.MinRamBytes or > Machines.PcBoard.MaxRamBytes)
            throw new OptionException($"-m {argument}: from 1M to 1T is possible");
        // Rounded as QEMU does, to 8 KiB.
        _options.RamBytes = (bytes + 8191) & ~8191UL;
    }

    private void ParseDevice(string argument)
    {
        var list = new PropertyList("-device", argument, "driver");
        var driver = list.Take("driver") ?? throw new OptionException($"-device {argument}: no driver named");
        if (IsHelp(driver))
        {
            _options.Listing = Listing.Devices;
            return;
        }
        if (!DeviceCatalog.IsKnown(driver))
            throw new OptionException($"-device {argument}: '{driver}' is not a valid device model name");
        if (_options.Devices.Count == MaxDevices)
            throw new OptionException($"-device {argument}: more than {MaxDevices} devices");
        _options.Devices.Add(new DeviceOption(driver, ToDictionary(list)));
    }

    private void ParseGlobal(string argument)
    {
        var equals = argument.IndexOf('=', StringComparison.Ordinal);
        var dot = argument.IndexOf('.', StringComparison.Ordinal);
        if (dot > 0 && equals > dot + 1)
        {
            _globals.Add(new Global(argument[..dot], argument[(dot + 1)..equals], argument[(equals + 1)..]));
            return;
        }
        var list = new PropertyList("-global", argument, null);
        if (list.Take("driver") is { } driver && list.Take("property") is { } property && list.Take("value") is { } value)
            _globals.Add(new Global(driver, property, value));
        else
            throw new OptionException($"-global {argument}: give it as driver.property=value");
    }

    private void ParseSerial(string argument)
    {
        if (argument == "none")
            _options.Serial.Add("");
        else if (argument.StartsWith("mon:", StringComparison.Ordinal))
            _options.Serial.Add(AddShared("-serial", argument["mon:".Length..], $"serial{_options.Serial.Count}"));
        else
            _options.Serial.Add(Refer("-serial", argument, $"serial{_options.Serial.Count}"));
    }

    // A console with the monitor behind Ctrl-A c.
    private string AddShared(string option, string argument, string id)
    {
        AddChardev(ChardevParser.ParseShort(option, argument, id) with { IsMux = true });
        _options.Monitors.Add(new MonitorOption(id, IsQmp: false));
        return id;
    }

    private void AddMonitor(string option, string argument, bool isQmp)
    {
        if (argument is not ("none" or "null"))
            _options.Monitors.Add(new MonitorOption(Refer(option, argument, $"compat_monitor{_options.Monitors.Count}"), isQmp));
    }

    private void ParseMon(string argument)
    {
        var list = new PropertyList("-mon", argument, "chardev");
        var chardev = list.Take("chardev") ?? throw new OptionException($"-mon {argument}: no chardev= given");
        var isQmp = list.Take("mode") switch
        {
            null or "readline" => false,
            "control" => true,
            var mode => throw new OptionException($"-mon mode={mode}: there are readline and control"),
        };
        _ = list.TakeSwitch("pretty");
        list.ExpectEmpty("chardev, mode, pretty");
        _options.Monitors.Add(new MonitorOption(chardev, isQmp));
    }

    // chardev:ID is one that is defined by itself, before or after; anything else defines one here.
    private string Refer(string option, string argument, string id)
    {
        if (argument.StartsWith("chardev:", StringComparison.Ordinal))
            return argument["chardev:".Length..];
        AddChardev(ChardevParser.ParseShort(option, argument, id));
        return id;
    }

    private void AddChardev(ChardevOption chardev)
    {
        foreach (var other in _options.Chardevs)
        {
            if (other.Id == chardev.Id)
                throw new OptionException($"chardev '{chardev.Id}' is defined twice");
        }
        _options.Chardevs.Add(chardev);
    }

    private void ExpectChardevs()
    {
        foreach (var id in _options.Serial)
            Expect("-serial", id);
        foreach (var monitor in _options.Monitors)
            Expect("-mon", monitor.Chardev);
        if (_options.Qtest is { } qtest)
            Expect("-qtest", qtest);
        var stdio = 0;
        foreach (var chardev in _options.Chardevs)
            stdio += chardev.Kind == ChardevKind.Stdio ? 1 : 0;
        if (stdio > 1)
            throw new OptionException("standard input and output serve one port only; share them with mon:stdio or -chardev stdio,mux=on");

        void Expect(string option, string id)
        {
            if (id.Length == 0)
                return;
            foreach (var chardev in _options.Chardevs)
            {
                if (chardev.Id == id)
                    return;
            }
            throw new OptionException($"{option}: there is no chardev '{id}'");
        }
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

    private void ParseFwCfg(string argument)
    {
        var list = new PropertyList("-fw_cfg", argument, "name");
        var (name, file, text) = (list.Take("name"), list.Take("file"), list.Take("string"));
        list.ExpectEmpty("name, file, string");
        if (string.IsNullOrEmpty(name) || (file is null) == (text is null))
            throw new OptionException($"-fw_cfg {argument}: give a name and either file= or string=");
        _options.FwCfg.Add(new FwCfgOption(name, file, text));
    }

    private static Dictionary<string, string> ToDictionary(PropertyList list)
    {
        var properties = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in list.Properties)
            properties[key] = value;
        return properties;
    }

    private void Finish()
    {
        foreach (var (names, properties) in _accels)
            AddAccelerators(names, properties);
        if (_accels.Count == 0 && _machineAccel is not null)
            AddAccelerators(_machineAccel, []);
        if (_options.Accelerators.Count == 0)
            AddAccelerators("kvm:tcg", []);
        if (_kernelIrqChip is not null)
            ApplyToKvm("kernel-irqchip", _kernelIrqChip);
        if (!_options.HasPit)
            ApplyToKvm("pit", "off");
        foreach (var (driver, property, value) in _globals)
            ApplyGlobal(driver, property, value);

        if (_options.NoGraphic && !_options.NoDefaults && _options.Serial.Count == 0)
            _options.Serial.Add(AddShared("-nographic", "stdio", "serial0"));
        if (_options.Serial.Count > Machines.PcBoard.MaxSerialPorts)
            throw new OptionException($"-serial: {_options.Serial.Count} ports, where a pc has {Machines.PcBoard.MaxSerialPorts} here");
        ExpectChardevs();
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

    private void ApplyGlobal(string driver, string property, string value)
    {
        if (driver == "kvm-pit" && property == "lost_tick_policy")
        {
            if (value is not ("delay" or "discard"))
                throw new OptionException($"-global kvm-pit.lost_tick_policy={value}: there are delay and discard");
            ApplyToKvm("kvm-pit.lost_tick_policy", value);
            return;
        }
        if (!DeviceCatalog.IsKnown(driver))
            throw new OptionException($"-global {driver}.{property}: there is no such driver; there are kvm-pit and {DeviceCatalog.NameList}");
        // A property of a driver is the default of each of its devices.
        foreach (var device in _options.Devices)
        {
            if (device.Driver == driver)
                ((Dictionary<string, string>)device.Properties).TryAdd(property, value);
        }
    }
}

using System.Globalization;

namespace Gauntlet.Vmm.Program.Options;

/// <summary>
/// Reads a command line in QEMU's style: every option with one dash or two, its argument in the next word. What is not known is an error that names it,
/// never ignored: a test that asks for something must not run without it.
/// </summary>
public sealed partial class OptionParser
{
    /// <summary>More than any kernel takes.</summary>
    public const int MaxAppendBytes = 64 * 1024;

    private const int MaxDevices = 64;

    private readonly GvmmOptions _options = new();
    private readonly List<Global> _globals = [];

    private sealed record Global(string Driver, string Property, string Value);

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
            case "s":
                SetGdb("tcp::1234");
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
            case "no-user-config":
                // There is none.
                break;
            case "no-hpet":
                _options.HasHpet = false;
                break;
            default:
                return false;
        }
        return true;
    }

    private static bool TakesArgument(string name) => name is "M" or "machine" or "accel" or "cpu" or "smp" or "m" or "kernel" or "initrd" or "append"
        or "device" or "drive" or "global" or "serial" or "display" or "name" or "uuid" or "qmp" or "rtc" or "fw_cfg" or "pidfile" or "vga" or "net" or "nic"
        or "monitor" or "parallel" or "bios" or "chardev" or "mon" or "qtest" or "qtest-log" or "boot" or "action"
        or "incoming" or "loadvm" or "sandbox" or "icount" or "netdev" or "object" or "hda" or "hdb" or "hdc" or "hdd" or "cdrom" or "blockdev"
        or "smbios" or "numa" or "gdb" or "overcommit" or "trace";

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
            case "hda" or "hdb" or "hdc" or "hdd":
                _options.Drives.Add(DriveOption.OfFile(argument, name[2] - 'a', isCdRom: false));
                break;
            case "cdrom":
                _options.Drives.Add(DriveOption.OfFile(argument, index: 2, isCdRom: true));
                break;
            case "netdev":
                _options.Netdevs.Add(NetdevOption.Parse(argument));
                break;
            case "object":
                ParseObject(argument);
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
            case "gdb":
                SetGdb(argument);
                break;
            case "blockdev":
                (_options.Blockdevs ??= []).Add(BlockdevOption.Parse(argument));
                break;
            case "trace":
                ParseTrace(argument);
                break;
            case "smbios":
                _options.Smbios.Add(argument);
                break;
            case "numa":
                (_options.Numa ??= new NumaOptions()).Add(argument);
                break;
            case "overcommit":
                ParseOvercommit(argument);
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
            case "icount":
                ParseInstructionCount(argument);
                break;
            case "sandbox":
                ParseSandbox(argument);
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

    private void ParseInstructionCount(string argument)
    {
        var list = new PropertyList("-icount", argument, "shift");
        var shift = list.Take("shift");
        if (!int.TryParse(shift, NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number > Machines.InstructionClock.MaxShift)
            throw new OptionException($"-icount shift={shift}: a number from 0 to {Machines.InstructionClock.MaxShift}, an instruction taking 2 to that power nanoseconds");
        if (list.Take("sleep") is { } sleep and not "off")
            throw new OptionException($"-icount sleep={sleep}: a vCPU that halts goes on at once, with the next timer; there is only sleep=off");
        list.ExpectEmpty("shift, sleep");
        _options.InstructionShift = number;
    }

    // QEMU's further properties forbid what is always forbidden here.
    private void ParseSandbox(string argument)
    {
        var list = new PropertyList("-sandbox", argument, "enable");
        _options.Sandbox = list.Take("enable") switch
        {
            "on" => true,
            "off" => false,
            var other => throw new OptionException($"-sandbox {other}: there are on and off"),
        };
        foreach (var property in (string[])["obsolete", "elevateprivileges", "spawn", "resourcecontrol"])
        {
            if (list.Take(property) is { } value and not "deny")
                throw new OptionException($"-sandbox {property}={value}: it is always denied");
        }
        _options.SandboxSnapshot = list.Take("snapshot");
        list.ExpectEmpty("on, off, snapshot=FILE, and obsolete=, elevateprivileges=, spawn=, resourcecontrol= with deny");
    }

    private static bool IsHelp(string argument) => argument is "help" or "?";

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
        if (_cpuPowerManagement is not null)
            ApplyToKvm("cpu-pm", _cpuPowerManagement);
        if (!_options.HasPit)
            ApplyToKvm("pit", "off");
        FinishMemory();
        if (_options.Machine == "microvm")
            FinishMicrovm();
        AddDevicesOfDrives();
        foreach (var (driver, property, value) in _globals)
            ApplyGlobal(driver, property, value);

        if (_options.InstructionShift is not null && (_options.CpuCount != 1 || _options.Accelerators.Exists(accel => accel.Name != "tcg")))
            throw new OptionException("-icount: only with -accel tcg and one vCPU (-smp 1), whose instructions make the time");
        if (_options.NoGraphic && !_options.NoDefaults && _options.Serial.Count == 0 && _options.HasIsaSerial)
            _options.Serial.Add(AddShared("-nographic", "stdio", "serial0"));
        if (_options.Serial.Count > Machines.X86Board.MaxSerialPorts)
            throw new OptionException($"-serial: {_options.Serial.Count} ports, where a machine has {Machines.X86Board.MaxSerialPorts} here");
        ExpectChardevs();
    }

    private void FinishMicrovm()
    {
        if (_options.HasHpet)
            throw new OptionException("-machine hpet=on: a microvm has no HPET");
        if (!_options.HasIsaSerial && _options.Serial.Count > 0)
            throw new OptionException("-serial: a microvm with isa-serial=off has no serial port");
        // A disk that is not said to sit anywhere.
        for (var i = 0; i < _options.Drives.Count; i++)
        {
            if (_options.Drives[i].Interface == DriveInterface.Ide)
                throw new OptionException($"-drive {_options.Drives[i].File}: a microvm has no IDE bus; give if=virtio, or if=none and -device virtio-blk-device");
        }
    }

    // An IDE disk's drive is a device that nobody named; the firmware's is none.
    private void AddDevicesOfDrives()
    {
        var next = 0;
        for (var i = 0; i < _options.Drives.Count; i++)
        {
            var drive = _options.Drives[i];
            if (drive.Interface == DriveInterface.Pflash)
                _options.Bios = _options.Bios is null ? drive.File : throw new OptionException($"-drive if=pflash: {drive.File}: there is other firmware already");
            if (drive.Interface != DriveInterface.Ide)
                continue;
            var index = drive.Index ?? next;
            next = index + 1;
            // A SATA port is a bus of one drive.
            var onBus = _options.Machine == "q35" ? 1 : 2;
            var (bus, unit, kind) = (index / onBus, index % onBus, drive.IsCdRom ? "cd" : "hd");
            if (drive.Id.Length == 0)
                _options.Drives[i] = drive = drive with { Id = $"ide{bus}-{kind}{unit}" };
            _options.Devices.Add(new DeviceOption($"ide-{kind}", new Dictionary<string, string>(StringComparer.Ordinal)
            {
                ["drive"] = drive.Id,
                ["bus"] = $"ide.{bus}",
                ["unit"] = unit == 0 ? "0" : "1",
            }));
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

namespace Gauntlet.Vmm.Program.Options;

// Classes, not structs: the framework's collections are compiled ahead for those only, and a start is counted in milliseconds.

/// <summary>One <c>-accel</c>, or one name of <c>-machine accel=</c>.</summary>
public sealed record AccelOption(string Name, IReadOnlyDictionary<string, string> Properties);

/// <summary>One <c>-device</c>.</summary>
public sealed record DeviceOption(string Driver, IReadOnlyDictionary<string, string> Properties);

/// <summary>One <c>-fw_cfg</c>: a name, and either a file or the text itself.</summary>
public sealed record FwCfgOption(string Name, string? File, string? Text);

/// <summary>Where a serial port or QMP goes.</summary>
public enum CharacterTarget
{
    Null,
    Stdio,

    /// <summary>Standard input and output, with Ctrl-A as the escape to end the machine.</summary>
    MonitoredStdio,
    File,
    UnixListen,
    UnixConnect,
}

/// <summary>One <c>-serial</c> or <c>-qmp</c>.</summary>
/// <param name="Target">What kind.</param>
/// <param name="Path">Of the file or the socket.</param>
/// <param name="Wait">For a listening socket: the machine starts when somebody has connected.</param>
public sealed record CharacterOption(CharacterTarget Target, string Path = "", bool Wait = false);

/// <summary>What to print instead of running.</summary>
public enum Listing
{
    None,
    Help,
    Version,
    Accelerators,
    Machines,
    Devices,
    Cpus,
}

/// <summary>A parsed command line.</summary>
public sealed class GvmmOptions
{
    public const string DefaultMachine = "pc";

    public Listing Listing { get; set; }

    /// <summary><c>pc</c> or <c>none</c>.</summary>
    public string Machine { get; set; } = DefaultMachine;

    /// <summary>Most wanted first; empty: KVM, then TCG.</summary>
    public List<AccelOption> Accelerators { get; } = [];

    public string Cpu { get; set; } = "qemu64";

    public int CpuCount { get; set; } = 1;

    /// <summary>In bytes.</summary>
    public ulong RamBytes { get; set; } = 128UL << 20;

    public string? Kernel { get; set; }

    /// <summary>Firmware to start with when there is no kernel; null: the default one.</summary>
    public string? Bios { get; set; }

    /// <summary><c>-machine pit=off</c>: a machine without the 8254 and port 0x61.</summary>
    public bool HasPit { get; set; } = true;

    public KernelFormat KernelFormat { get; set; }

    public string? Initrd { get; set; }

    public string? Append { get; set; }

    public List<DeviceOption> Devices { get; } = [];

    public List<DriveOption> Drives { get; } = [];

    public List<FwCfgOption> FwCfg { get; } = [];

    /// <summary>COM1, COM2.</summary>
    public List<CharacterOption> Serial { get; } = [];

    public CharacterOption? Qmp { get; set; }

    public bool NoDefaults { get; set; }

    public bool NoGraphic { get; set; }

    public bool NoReboot { get; set; }

    public bool NoShutdown { get; set; }

    public bool StartPaused { get; set; }

    public string? Name { get; set; }

    public string? PidFile { get; set; }

    /// <summary>Time of day at the start; null: the host's.</summary>
    public DateTime? RtcBase { get; set; }

    /// <summary>RTC counts local time.</summary>
    public bool RtcLocalTime { get; set; }
}

/// <summary>How <c>-kernel</c> is to be understood.</summary>
public enum KernelFormat
{
    /// <summary>Multiboot where there is a header, a flat binary where the name ends in <c>.bin</c>.</summary>
    Auto,
    Multiboot,
    Flat,
}

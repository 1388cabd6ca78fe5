using System.Text;
using Gauntlet.Terminal;

namespace Gauntlet.Guests.Images;

/// <summary>Linux as a guest: a kernel, a static busybox, modules, and an init that runs commands, prints markers and powers off.</summary>
public sealed record LinuxRecipe
{
    /// <summary>The init's first line on the console: user space is there.</summary>
    public const string UserSpaceMarker = "gauntlet: user space";

    /// <summary>Its line behind the commands, with the status of the first that failed, else 0.</summary>
    public const string DoneMarker = "gauntlet: done";

    /// <summary>Applets that the shell finds by name.</summary>
    private static readonly string[] s_applets =
        ["ash", "cat", "chmod", "cp", "cttyhack", "cut", "dd", "df", "dmesg", "echo", "env", "false", "free", "grep", "head", "insmod", "kill", "ln", "ls", "lsmod", "mkdir", "mknod",
         "modprobe", "mount", "mv", "poweroff", "printf", "ps", "pwd", "reboot", "rm", "sed", "setsid", "sh", "sleep", "sort", "stty", "sync", "tail", "test", "timeout", "top", "touch", "true",
         "umount", "uname", "uptime", "vi", "wc"];

    public required DebianArchitecture Architecture { get; init; }

    /// <summary>Path, built source tree or Debian package; null: Debian's for virtual machines.</summary>
    public string? Kernel { get; init; }

    /// <summary>Path of a static busybox; null: Debian's.</summary>
    public string? Busybox { get; init; }

    /// <summary>Loaded before the commands, with what they depend on.</summary>
    public IReadOnlyList<string> Modules { get; init; } = [];

    /// <summary>Shell commands, one after the other.</summary>
    public IReadOnlyList<string> Commands { get; init; } = [];

    /// <summary>A shell on the console takes the place of the commands.</summary>
    public bool Interactive { get; init; }

    /// <summary>Power off behind the commands; else it stays up.</summary>
    public bool PowerOff { get; init; } = true;

    /// <summary>Further entries, behind the recipe's own.</summary>
    public IReadOnlyList<CpioEntry> Further { get; init; } = [];

    public InitramfsPacking Packing { get; init; }

    /// <summary>Collects what it takes.</summary>
    /// <exception cref="UserException">Something is not to be had.</exception>
    public async Task<(LinuxKernel Kernel, byte[] Initramfs)> BuildAsync(DebianPackages packages, CancellationToken cancellation)
    {
        var kernel = await LinuxKernel.FindAsync(Kernel, Architecture, packages, cancellation);
        var busybox = Busybox ?? Path.Combine((await packages.UnpackAsync("busybox-static", Architecture, cancellation)).Folder, "bin", "busybox");
        if (!File.Exists(busybox))
            busybox = Path.Combine(Path.GetDirectoryName(Path.GetDirectoryName(busybox))!, "usr", "bin", "busybox");
        if (!File.Exists(busybox))
            throw new UserException($"There is no busybox '{Busybox ?? busybox}'.");
        if (Modules.Count > 0 && kernel.Modules is null)
            throw new UserException($"Beside the kernel {kernel.Image} there is no lib/modules to take {string.Join(", ", Modules)} from.");
        var modules = Modules.Count == 0 ? [] : await new KernelModules(kernel.Modules!).ResolveAsync(Modules, cancellation);
        using var archive = new MemoryStream();
        CpioArchive.Write(archive, [.. Entries(await File.ReadAllBytesAsync(busybox, cancellation), modules), .. Further]);
        return (kernel, await Compression.PackAsync(archive.ToArray(), Packing, cancellation));
    }

    private IEnumerable<CpioEntry> Entries(byte[] busybox, IReadOnlyList<KernelModule> modules)
    {
        foreach (var folder in (string[])["bin", "dev", "etc", "lib", "lib/modules", "proc", "run", "sys", "tmp", "root"])
            yield return new CpioEntry(folder, CpioKind.Directory, folder == "tmp" ? 0x3ff : 0x1ed) { Links = 2 };
        // Before devtmpfs is mounted, init's standard streams come from here.
        yield return new CpioEntry("dev/console", CpioKind.CharacterDevice, 0x180) { DeviceMajor = 5, DeviceMinor = 1 };
        yield return Executable("bin/busybox", busybox);
        foreach (var applet in s_applets)
            yield return new CpioEntry($"bin/{applet}", CpioKind.SymbolicLink, 0x1ff) { Content = "busybox"u8.ToArray() };
        foreach (var module in modules)
            yield return new CpioEntry($"lib/modules/{module.Name}.ko", CpioKind.File, 0x1a4) { Content = module.Content };
        yield return Executable("init", Encoding.UTF8.GetBytes(Init(modules)));
    }

    private static CpioEntry Executable(string path, byte[] content) => new(path, CpioKind.File, 0x1ed) { Content = content };

    /// <summary>The init. Panics are the kernel's own when it ends, so it never does by itself.</summary>
    internal string Init(IReadOnlyList<KernelModule> modules)
    {
        var script = new StringBuilder($$"""
            #!/bin/busybox sh
            export PATH=/bin HOME=/root TERM=linux
            mount -t proc proc /proc
            mount -t sysfs sys /sys
            mount -t devtmpfs dev /dev
            echo "{{UserSpaceMarker}}"
            status=0
            run() { "$@" || { s=$?; [ $status -ne 0 ] || status=$s; echo "gauntlet: status $s of: $*"; }; }

            """);
        foreach (var module in modules)
            script.Append($"run insmod /lib/modules/{module.Name}.ko\n");
        foreach (var command in Commands)
            script.Append($"run sh -c '{command.Replace("'", "'\\''", StringComparison.Ordinal)}'\n");
        if (Interactive)
            script.Append("setsid cttyhack sh\n");
        script.Append($"echo \"{DoneMarker} $status\"\n");
        script.Append(PowerOff || Interactive ? "poweroff -f\n" : "");
        script.Append("while :; do sleep 1000; done\n");
        return script.ToString();
    }
}

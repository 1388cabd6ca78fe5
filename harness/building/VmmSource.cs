using System.Text.Json;
using Gauntlet.Guests.Images;
using Gauntlet.Guests.Sources;
using Gauntlet.Harness.Drivers;
using Gauntlet.Harness.Matrix;
using Gauntlet.Harness.Suites;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Building;

/// <summary>How QEMU is configured.</summary>
public sealed record QemuOptions
{
    /// <summary>As after <c>--target-list=</c>.</summary>
    public IReadOnlyList<string> Targets { get; init; } = ["x86_64-softmmu"];

    /// <summary>As after <c>-fsanitize=</c>: <c>address</c>, <c>undefined</c>.</summary>
    public IReadOnlyList<string> Sanitizers { get; init; } = [];

    /// <summary>Counts edges into AFL++'s shared map: built with its compiler.</summary>
    public bool Coverage { get; init; }

    /// <summary>Further arguments of <c>configure</c>.</summary>
    public IReadOnlyList<string> Further { get; init; } = [];

    /// <summary>Only what running guests needs: a build then takes minutes, and few libraries.</summary>
    internal IReadOnlyList<string> Configure()
    {
        List<string> options =
        [
            $"--target-list={string.Join(',', Targets)}", "--without-default-features", "--enable-tcg", "--enable-kvm", "--enable-fdt=system", "--disable-docs", "--disable-tools", "--disable-werror",
        ];
        List<string> flags = [];
        if (Sanitizers.Count > 0)
        {
            flags.Add($"-fsanitize={string.Join(',', Sanitizers)}");
            options.Add($"--extra-ldflags=-fsanitize={string.Join(',', Sanitizers)}");
        }
        // Before 8.2 configure tells the coroutines that they run under AddressSanitizer only with an option that brings other sanitizers too.
        if (Sanitizers.Contains("address"))
            flags.Add("-DCONFIG_ASAN_IFACE_FIBER=1");
        if (Coverage)
        {
            options.AddRange(["--cc=afl-clang-fast", "--cxx=afl-clang-fast++", "--host-cc=clang", "--disable-debug-info"]);
            // Lines are all that the reports of sanitizers need.
            flags.AddRange(["-gline-tables-only", "-fno-omit-frame-pointer"]);
        }
        if (flags.Count > 0)
            options.Add($"--extra-cflags={string.Join(' ', flags)}");
        return [.. options, .. Further];
    }

    /// <summary>For what runs the compiler: AFL++'s says nothing by itself, and adds no optimisation or debug information of its own.</summary>
    internal static Dictionary<string, string> CoverageVariables() => new() { ["AFL_QUIET"] = "1", ["AFL_DONT_OPTIMIZE"] = "1" };
}

/// <summary>A VMM's sources, and how a revision of them becomes a program.</summary>
/// <param name="Vmm">The value of the <c>vmm</c> axis.</param>
/// <param name="Checkout">Where the sources are.</param>
public abstract record VmmSource(string Vmm, string Checkout)
{
    /// <summary>All that changes what comes out, besides the sources.</summary>
    protected abstract string How(string arch);

    /// <summary>The program for an architecture, in the build's folder.</summary>
    protected abstract string Program(string arch);

    protected abstract Task BuildAsync(string arch, string sources, string result, Stream log, CancellationToken cancellation);

    /// <summary>Builds a revision, or finds that it was built.</summary>
    /// <param name="revision">See <see cref="GitSource.ResolveAsync"/>.</param>
    /// <exception cref="UserException">There is no such revision, or it cannot be built.</exception>
    public async Task<(string Program, SourceRevision Revision)> BuildAsync(string? revision, string arch, BuildCache cache, CancellationToken cancellation)
    {
        var source = new GitSource(Checkout);
        var resolved = await source.ResolveAsync(revision, cancellation);
        var folder = await cache.GetAsync(Vmm, source, resolved, How(arch), (sources, result, log) => BuildAsync(arch, sources, result, log, cancellation), cancellation);
        var program = Path.Combine(folder, Program(arch));
        return File.Exists(program) ? (program, resolved) : throw new UserException($"The build of {Vmm} at {resolved} left no {Program(arch)} in {folder}.", ExitCode.Environment);
    }

    /// <summary>
    /// The sources that a version names: <c>HEAD~3</c> of the VMM's own checkout, <c>/path:REV</c> or <c>/path</c> of another; <c>dirty</c>: the files as they are. Null: it is none.
    /// </summary>
    /// <param name="declaration">The matrix's; null: it says nothing.</param>
    public static (VmmSource Source, string? Revision)? Of(string vmm, string version, VmmDeclaration? declaration, QemuOptions? qemu = null)
    {
        var (checkout, revision) = version.StartsWith('/')
            ? version.Split(':', 2) is [var path, var after] ? (path, after) : (version, null)
            : (declaration?.Source ?? (vmm == "gvmm" ? SourceTree.Find() : null), version == "dirty" ? null : version);
        if (checkout is null)
            return null;
        return vmm switch
        {
            "gvmm" => (new GvmmSource(checkout), revision),
            "qemu" => (new QemuSource(checkout, qemu ?? new QemuOptions()), revision),
            _ when declaration is { Source: not null, Program: not null } => (new CommandSource(vmm, checkout, declaration.Build, declaration.Program), revision),
            _ => null,
        };
    }
}

/// <summary>gvmm: <c>dotnet publish</c>.</summary>
/// <param name="SelfContained">With the runtime, for a guest that has none.</param>
public sealed record GvmmSource(string Checkout, bool SelfContained = false) : VmmSource("gvmm", Checkout)
{
    protected override string How(string arch) => SelfContained ? "self-contained" : "release";

    protected override string Program(string arch) => "gvmm";

    protected override Task BuildAsync(string arch, string sources, string result, Stream log, CancellationToken cancellation) =>
        DotnetPublish.RunAsync("vmm/gvmm/gvmm.csproj", SelfContained ? ["--self-contained", "-p:InvariantGlobalization=true"] : [], sources, result, log, cancellation);
}

/// <summary>The program <c>gauntlet</c> itself, for what its own parts did at a revision.</summary>
public sealed record GauntletSource(string Checkout) : VmmSource("gauntlet", Checkout)
{
    protected override string How(string arch) => "release";

    protected override string Program(string arch) => "gauntlet";

    // Compiling ahead of time takes longer than it saves in the few runs that a build is for.
    protected override Task BuildAsync(string arch, string sources, string result, Stream log, CancellationToken cancellation) =>
        DotnetPublish.RunAsync("harness/cli/gauntlet.csproj", ["-p:PublishReadyToRun=false"], sources, result, log, cancellation);
}

file static class DotnetPublish
{
    public static Task RunAsync(string project, IReadOnlyList<string> further, string sources, string result, Stream log, CancellationToken cancellation) => ExternalTool.RunAsync(
        ["dotnet", "publish", project, "-c", "Release", "-o", result, "-v", "quiet", "-p:RunAnalyzers=false", "-nodeReuse:false", "-p:UseSharedCompilation=false", .. further],
        "Install the .NET 10 SDK.", cancellation, sources, new Dictionary<string, string> { ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1", ["DOTNET_NOLOGO"] = "1" }, log);
}

/// <summary>QEMU: configure and ninja. Its submodules must be among the revision's files, or not be needed.</summary>
public sealed record QemuSource(string Checkout, QemuOptions Options) : VmmSource("qemu", Checkout)
{
    protected override string How(string arch) => string.Join(' ', Options.Configure());

    /// <summary>Where distributions put firmware that they left out of QEMU's sources.</summary>
    private const string InstalledFirmware = "/usr/share/qemu:/usr/share/seabios:/usr/lib/ipxe/qemu";

    // QEMU finds its files relative to its program. It compares as many bytes of each folder of firmware as the prefix has, and AddressSanitizer ends it
    // at once where a folder's name is shorter (util/cutils.c of 7.2, starts_with_prefix).
    private const string Prefix = "/opt/qemu";

    protected override string Program(string arch) => $"bin/qemu-system-{(arch == "i386" ? "x86_64" : arch)}";

    protected override async Task BuildAsync(string arch, string sources, string result, Stream log, CancellationToken cancellation)
    {
        var build = Path.Combine(sources, "build");
        Directory.CreateDirectory(build);
        var hint = $"Install what building QEMU takes: apt-get build-dep qemu{(Options.Coverage ? "; apt-get install afl++ clang libclang-rt-14-dev" : "")}";
        var variables = Options.Coverage ? QemuOptions.CoverageVariables() : CompilerCache(sources);
        if (Options.Coverage)
            await ExternalTool.RunAsync(["afl-clang-fast", "--version"], "Install AFL++'s compiler: apt-get install afl++ clang", cancellation, variables: variables, log: log);
        await ExternalTool.RunAsync(["../configure", $"--prefix={Prefix}", $"--firmwarepath={Prefix}/share/qemu:{InstalledFirmware}", .. Options.Configure()], hint, cancellation, build, variables, log);
        // Its tests are about as much to compile as it is itself: only what is installed gets built.
        await ExternalTool.RunAsync(["ninja", .. await InstalledTargetsAsync(build, cancellation)], "Install it: apt-get install ninja-build", cancellation, build, variables, log);
        var installed = Path.Combine(build, "installed");
        await ExternalTool.RunAsync([.. Meson(build), "install", "--no-rebuild", "--destdir", installed], hint, cancellation, build, variables, log);
        Directory.Delete(result);
        Directory.Move(installed + Prefix, result);
    }

    /// <summary>What meson says that it would install of what is built, relative to the build's folder (Meson's manual, "IDE integration").</summary>
    private static async Task<IReadOnlyList<string>> InstalledTargetsAsync(string build, CancellationToken cancellation)
    {
        await using var file = File.OpenRead(Path.Combine(build, "meson-info", "intro-targets.json"));
        using var targets = await JsonDocument.ParseAsync(file, cancellationToken: cancellation);
        return [.. targets.RootElement.EnumerateArray().Where(target => target.GetProperty("installed").GetBoolean())
            .SelectMany(target => target.GetProperty("filename").EnumerateArray()).Select(name => Path.GetRelativePath(build, name.GetString()!))];
    }

    /// <summary>The meson that QEMU's configure chose: it may be one that the sources bring along, run by Python.</summary>
    private static string[] Meson(string build) =>
        File.ReadLines(Path.Combine(build, "config-host.mak")).FirstOrDefault(line => line.StartsWith("MESON=", StringComparison.Ordinal)) is { } line
            ? line["MESON=".Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)
            : ["meson"];

    /// <summary>
    /// With ccache, where it is installed, a revision takes over what it shares with those built before. The sources' folder is another one each time: its name must not count.
    /// </summary>
    private static Dictionary<string, string> CompilerCache(string sources) => ProgramFinder.InPath("ccache") is null ? [] : new()
    {
        ["CC"] = $"ccache {Environment.GetEnvironmentVariable("CC") ?? "cc"}",
        ["CXX"] = $"ccache {Environment.GetEnvironmentVariable("CXX") ?? "c++"}",
        ["CCACHE_BASEDIR"] = sources,
        ["CCACHE_NOHASHDIR"] = "1",
    };
}

/// <summary>Any VMM that a matrix declares with <c>source</c>, <c>build</c> and <c>program</c>.</summary>
/// <param name="Command">Run in the sources' folder; empty: nothing is to be built.</param>
/// <param name="ProgramPath">What comes out, relative to the sources.</param>
public sealed record CommandSource(string Vmm, string Checkout, IReadOnlyList<string> Command, string ProgramPath) : VmmSource(Vmm, Checkout)
{
    protected override string How(string arch) => string.Join('\0', Command.Append(ProgramPath));

    protected override string Program(string arch) => ProgramPath;

    protected override async Task BuildAsync(string arch, string sources, string result, Stream log, CancellationToken cancellation)
    {
        if (Command.Count > 0)
            await ExternalTool.RunAsync(Command, "It is what the matrix declares under 'build'.", cancellation, sources, log: log);
        Directory.Delete(result);
        Directory.Move(sources, result);
    }
}

using Gauntlet.Guests.Sources;
using Gauntlet.Harness.Building;
using Gauntlet.Harness.Matrix;
using Gauntlet.Harness.Nesting;
using Gauntlet.Harness.Scheduling;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Drivers;

/// <summary>The drivers that a matrix can name.</summary>
public sealed class DriverRegistry(IEnumerable<IVmmDriver> drivers)
{
    private readonly Dictionary<string, IVmmDriver> byName = drivers.ToDictionary(driver => driver.Name);

    /// <summary>Drivers for the built-in VMMs, and for those that a matrix declares.</summary>
    /// <param name="launcher">What they start VMMs with to ask them; null: one of their own.</param>
    /// <param name="builds">Where VMMs that are built are kept; null: in the user's cache folder.</param>
    public static DriverRegistry For(IReadOnlyList<VmmDeclaration> declarations, IAttemptLauncher? launcher = null, BuildCache? builds = null)
    {
        builds ??= BuildCache.ForUser();
        launcher ??= new AttemptLauncher();
        var cache = ProbeCache.ForUser();
        VmmDeclaration? Declared(string name) => declarations.FirstOrDefault(declaration => declaration.Name == name);
        var l1s = new L1Supply(new QemuStyleDriver("qemu", Qemu(null), launcher, cache), KvmHost.Probe);
        return new DriverRegistry(
        [
            new QemuStyleDriver("gvmm", Gvmm(Declared("gvmm")), launcher, cache, new RevisionBuilder("gvmm", Declared("gvmm"), builds), l1s),
            new QemuStyleDriver("qemu", Qemu(Declared("qemu")), launcher, cache, new RevisionBuilder("qemu", Declared("qemu"), builds), l1s),
            .. declarations.Where(declaration => declaration.Command is not null)
                .Select(declaration => new CommandDriver(declaration, new RevisionBuilder(declaration.Name, declaration, builds))),
        ]);
    }

    /// <summary>gvmm is built beside the program that runs this: by the launcher into a folder of its own, by a plain build into the artifacts' layout.</summary>
    private static ProgramFinder Gvmm(VmmDeclaration? declaration)
    {
        var here = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        return new ProgramFinder(
            declaration, "GVMM",
            _ => [Path.Combine(here, "..", "gvmm", "gvmm"), Path.Combine(here, "..", "..", "gvmm", Path.GetFileName(here), "gvmm")],
            _ => $"gvmm is not beside this program ({here}); build it (dotnet build vmm/gvmm), or set GVMM");
    }

    private static ProgramFinder Qemu(VmmDeclaration? declaration) => new(
        declaration, "QEMU", arch => [$"qemu-system-{Executable(arch)}", $"/usr/libexec/qemu-system-{Executable(arch)}"],
        arch => $"there is no qemu-system-{Executable(arch)} in PATH (Debian: apt-get install qemu-system-{Package(arch)}), and QEMU is not set");

    private static string Executable(string arch) => arch is "i386" ? "x86_64" : arch;

    private static string Package(string arch) => arch switch
    {
        "x86_64" or "i386" => "x86",
        "aarch64" or "arm" => "arm",
        "ppc64" => "ppc",
        _ => "misc",
    };

    /// <summary>Null: there is none of that name.</summary>
    public IVmmDriver? Find(string vmm) => byName.GetValueOrDefault(vmm);

    /// <summary>Asks each cell's driver whether this host can run it. In the order given.</summary>
    public async Task<IReadOnlyList<CellStatus>> AskAsync(IReadOnlyList<Cell> cells, CancellationToken cancellation)
    {
        var statuses = new List<CellStatus>(cells.Count);
        foreach (var cell in cells)
        {
            if (Find(cell.Vmm) is not { } driver)
            {
                statuses.Add(new CellStatus(cell, $"there is no driver for the VMM '{cell.Vmm}'", null));
                continue;
            }

            var reason = await driver.WhyNotAsync(cell, cancellation).ConfigureAwait(false);
            var probe = reason is null ? await driver.ProbeAsync(cell.Arch, cell.VmmVersion, cancellation).ConfigureAwait(false) : null;
            statuses.Add(new CellStatus(cell, reason, probe?.Version) { Revision = probe?.Revision });
        }

        return statuses;
    }

    /// <summary>The programs of cells that run, as far as their drivers know one.</summary>
    public async Task<IReadOnlyDictionary<Cell, string>> FindProgramsAsync(IReadOnlyList<CellStatus> cells, CancellationToken cancellation)
    {
        var programs = new Dictionary<Cell, string>();
        foreach (var cell in cells.Where(status => status.SkipReason is null).Select(status => status.Cell))
        {
            if (Find(cell.Vmm) is { } driver && (await driver.ProbeAsync(cell.Arch, cell.VmmVersion, cancellation).ConfigureAwait(false)).Program is { } program)
                programs[cell] = program;
        }

        return programs;
    }
}

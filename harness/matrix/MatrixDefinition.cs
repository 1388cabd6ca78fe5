using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Matrix;

/// <summary>Values that a user gave on the command line instead of an axis's own.</summary>
/// <param name="Vmms"><c>--vmm</c>, as <c>qemu</c> or <c>qemu@9.1</c>; empty: the matrix's.</param>
/// <param name="Accels"><c>--accel</c>.</param>
/// <param name="Archs"><c>--arch</c>, or those of the suites.</param>
public sealed record MatrixOverrides(IReadOnlyList<string> Vmms, IReadOnlyList<string> Accels, IReadOnlyList<string> Archs)
{
    /// <summary><c>--guest</c>.</summary>
    public IReadOnlyList<string> Guests { get; init; } = [];

    /// <summary><c>--host-kernel</c>.</summary>
    public IReadOnlyList<string> HostKernels { get; init; } = [];

    public static readonly MatrixOverrides None = new([], [], []);
}

/// <summary>A matrix as its file says it, before it is expanded to cells.</summary>
public sealed record MatrixDefinition
{
    public static readonly IReadOnlyList<string> KnownAccels = ["kvm", "tcg", "nested", "nested-linux"];

    public static readonly IReadOnlyList<string> KnownArchs = ["x86_64", "i386", "aarch64", "arm", "riscv64", "riscv32", "ppc64", "s390x"];

    /// <summary>VMMs with drivers of their own.</summary>
    public static readonly IReadOnlyList<string> BuiltInVmms = ["gvmm", "qemu"];

    public required string Name { get; init; }

    /// <summary>File it was read from.</summary>
    public required string Source { get; init; }

    /// <summary>Axes with their values, as written.</summary>
    public required IReadOnlyList<KeyValuePair<string, IReadOnlyList<string>>> Axes { get; init; }

    public IReadOnlyList<IReadOnlyDictionary<string, string>> Include { get; init; } = [];

    public IReadOnlyList<IReadOnlyDictionary<string, string>> Exclude { get; init; } = [];

    /// <summary>Suites to run when a user names none; empty: every in-tree suite of the cells' architectures.</summary>
    public IReadOnlyList<string> Suites { get; init; } = [];

    public IReadOnlyList<VmmDeclaration> Vmms { get; init; } = [];

    /// <summary>Values of the <c>arch</c> axis; those of <see cref="Include"/> are not among them.</summary>
    public IReadOnlyList<string> Archs => Axes.FirstOrDefault(axis => axis.Key == "arch").Value ?? [];

    /// <summary>The cells, each once, in a stable order.</summary>
    /// <exception cref="UserException">A cell is incomplete or names what there isn't, or none is left.</exception>
    public IReadOnlyList<Cell> Expand(MatrixOverrides overrides)
    {
        var axes = Override(Override(Override(Override(Axes, "arch", overrides.Archs), "accel", overrides.Accels), "vmm", overrides.Vmms), "host-kernel", overrides.HostKernels);
        axes = Override(axes, "guest", overrides.Guests);
        IReadOnlyList<IReadOnlyDictionary<string, string>> combinations;
        try
        {
            combinations = MatrixExpansion.Expand(axes, Exclude, Include);
        }
        catch (ArgumentException e)
        {
            throw new UserException($"{Source}: {e.Message}.", inner: e);
        }

        // An include entry may bring back what the user didn't ask for.
        var cells = combinations
            .Where(combination => Asked(overrides.Vmms, combination, "vmm") && Asked(overrides.Accels, combination, "accel") && Asked(overrides.Archs, combination, "arch") && Asked(overrides.HostKernels, combination, "host-kernel")
                && Asked(overrides.Guests, combination, "guest"))
            .Select(MakeCell).Distinct().ToList();
        return cells.Count > 0 ? cells : throw new UserException($"{Source}: no cell is left after exclude and the command line's choice.");
    }

    private static bool Asked(IReadOnlyList<string> asked, IReadOnlyDictionary<string, string> combination, string axis) =>
        asked.Count == 0 || asked.Contains(combination.GetValueOrDefault(axis, ""));

    private static IReadOnlyList<KeyValuePair<string, IReadOnlyList<string>>> Override(
        IReadOnlyList<KeyValuePair<string, IReadOnlyList<string>>> axes, string name, IReadOnlyList<string> values)
    {
        if (values.Count == 0)
            return axes;
        var replacement = KeyValuePair.Create<string, IReadOnlyList<string>>(name, [.. values.Distinct()]);
        return axes.Any(axis => axis.Key == name) ? [.. axes.Select(axis => axis.Key == name ? replacement : axis)] : [replacement, .. axes];
    }

    private Cell MakeCell(IReadOnlyDictionary<string, string> combination)
    {
        var vmm = Required(combination, "vmm").Split('@', 2);
        var guest = combination.GetValueOrDefault("guest")?.Split('@', 2);
        var cell = new Cell(
            vmm[0], Required(combination, "accel"), Required(combination, "arch"),
            combination.GetValueOrDefault("vmm-version") ?? (vmm.Length > 1 ? vmm[1] : null),
            combination.GetValueOrDefault("machine"), combination.GetValueOrDefault("cpu"),
            guest?[0], combination.GetValueOrDefault("guest-version") ?? guest?.ElementAtOrDefault(1), combination.GetValueOrDefault("host-kernel"));
        var declared = Vmms.FirstOrDefault(declaration => declaration.Name == cell.Vmm);
        if (declared is null && !BuiltInVmms.Contains(cell.Vmm))
            throw new UserException($"{Source}: the VMM '{cell.Vmm}' is neither {string.Join(" nor ", BuiltInVmms)}, nor declared under 'vmms'.");
        if (!KnownAccels.Contains(cell.Accel))
            throw new UserException($"{Source}: '{cell.Accel}' is no accelerator; there are {string.Join(", ", KnownAccels)}.");
        if (!KnownArchs.Contains(cell.Arch))
            throw new UserException($"{Source}: '{cell.Arch}' is no architecture; there are {string.Join(", ", KnownArchs)}.");
        if (declared is { Versions.Count: > 0, Source: null } && cell.VmmVersion is { } version && !declared.Versions.ContainsKey(version) && !version.StartsWith('/'))
            throw new UserException($"{Source}: version '{version}' of {cell.Vmm} is not declared; declared are {string.Join(", ", declared.Versions.Keys)}.");
        return cell;
    }

    private string Required(IReadOnlyDictionary<string, string> combination, string axis) => combination.GetValueOrDefault(axis) is { Length: > 0 } value
        ? value
        : throw new UserException(
            $"{Source}: the combination {{{string.Join(", ", combination.Select(pair => $"{pair.Key}: {pair.Value}"))}}} has no '{axis}'; give that axis, or it in the include entry.");
}

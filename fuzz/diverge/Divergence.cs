using System.Globalization;
using System.Text;
using Gauntlet.Fuzz.Engine;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Qemu;
using Gauntlet.Fuzz.Targets;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Vmm.Bus;

namespace Gauntlet.Fuzz.Diverge;

/// <summary>What two sides answered differently.</summary>
/// <param name="At">Number of the operation.</param>
/// <param name="Gvmm">What it read there.</param>
/// <param name="Qemu">And there.</param>
public readonly record struct DifferingReply(int At, ulong Gvmm, ulong Qemu);

/// <summary>A difference that the allow-list does not name, with the shortest program that shows it.</summary>
/// <param name="Signature">Registers of the program's operations, in order.</param>
public sealed record FoundDifference(string Signature, IReadOnlyList<Operation> Program, DifferingReply Reply)
{
    /// <summary>How many programs showed it.</summary>
    public int Count { get; internal set; } = 1;
}

/// <summary>Runs the same random programs on gvmm's device and on QEMU's, and collects what they answer differently.</summary>
public sealed class Divergence : IDisposable
{
    /// <summary>More is not minimised: something is wrong with the whole device.</summary>
    public const int MostDifferences = 64;

    private const int MostGroups = 24, MostMinimised = 3;

    private readonly DivergenceSubject _subject;
    private readonly IReadOnlyList<AllowedDifference> _allowed;
    private readonly DeviceTarget _board;
    private readonly QemuSide _qemu;
    private readonly FuzzRandom _random;
    private readonly List<Window> _windows;
    private readonly Dictionary<string, FoundDifference> _found = [];
    private readonly Dictionary<AllowedDifference, int> _uses = [];
    private readonly Dictionary<string, int> _minimised = [];
    private readonly List<ulong> _replies = [];

    /// <param name="disk">A file that a disk's content is written to, for QEMU.</param>
    public Divergence(DivergenceSubject subject, string program, string disk, IReadOnlyList<AllowedDifference> allowed, ulong seed)
    {
        (_subject, _random) = (subject, new FuzzRandom(seed));
        _allowed = [.. allowed.Where(each => each.Device == subject.Name)];
        _board = subject.NewBoard();
        File.WriteAllBytes(disk, DivergenceSubject.Disk());
        _qemu = new QemuSide(subject, subject.NewCommand(program, disk));
        _windows = [.. _board.Grammar.Windows.Where(window => subject.Windows.Any(start => window.Name.StartsWith(start, StringComparison.Ordinal)))];
    }

    /// <summary>Differences that nobody has allowed.</summary>
    public IReadOnlyCollection<FoundDifference> Found => _found.Values;

    /// <summary>How often each entry of the allow-list was needed.</summary>
    public IReadOnlyDictionary<AllowedDifference, int> Uses => _uses;

    public long Programs { get; private set; }

    /// <summary>Replies that were compared.</summary>
    public long Compared { get; private set; }

    /// <summary>Operations left out on both sides.</summary>
    public long Dropped { get; private set; }

    /// <summary>Programs that QEMU did not outlive.</summary>
    public int Deaths { get; private set; }

    /// <summary>Makes and compares one program.</summary>
    public void Step()
    {
        var program = new List<Operation>();
        for (var left = 1 + _random.Below(MostGroups); left > 0; left--)
            _subject.Append(_random, program);
        Programs++;
        Take(program);
    }

    /// <summary>Compares one that was kept.</summary>
    public DifferingReply? Compare(IReadOnlyList<Operation> program) => Differ(program, out _);

    public void Dispose()
    {
        _board.Dispose();
        _qemu.Dispose();
    }

    /// <summary>A program with what both sides answer, for people.</summary>
    public string Describe(FoundDifference found)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"# {_subject.Name}: {found.Signature}\n# operation {found.Reply.At + 1}: gvmm 0x{found.Reply.Gvmm:x}, QEMU 0x{found.Reply.Qemu:x}\n");
        return text.Append(ProgramText.Format([.. _subject.First, .. found.Program])).ToString();
    }

    private void Take(List<Operation> program)
    {
        // What one side cannot do is left out on both: neither has its clock moved.
        Dropped += program.RemoveAll(static operation => !QemuProcess.IsCommand(operation));
        if (Differ(program, out var died) is not { } reply)
        {
            Compared += died ? 0 : program.Count(static operation => operation.Kind == OperationKind.Read);
            return;
        }
        Compared += reply.At;
        // The same register and bits again: a few are looked at closely, as causes differ.
        var coarse = $"{NameOf(program, reply.At)} {reply.Gvmm ^ reply.Qemu:x}";
        var times = _minimised[coarse] = _minimised.GetValueOrDefault(coarse) + 1;
        if (times > MostMinimised || _found.Count >= MostDifferences)
        {
            if (_found.Values.FirstOrDefault(found => NameOf(found.Program, found.Reply.At) == NameOf(program, reply.At)) is { } like)
                like.Count++;
            return;
        }
        var register = NameOf(program, reply.At);
        var rest = Minimizer.Reduce(program.Take(reply.At + 1).ToList(), shorter => _subject.IsLegal?.Invoke(shorter) != false && Differ(shorter, out _) is { } again && NameOf(shorter, again.At) == register);
        if (Differ(rest, out _) is not { } last)
            return;
        var signature = string.Join(" ", Enumerable.Range(0, rest.Count).Where(at => rest[at].Kind is OperationKind.Read or OperationKind.Write).Select(at => $"{(rest[at].Kind == OperationKind.Read ? "<" : ">")}{NameOf(rest, at)}"));
        if (_found.TryGetValue(signature, out var known))
            known.Count++;
        else
            _found[signature] = new FoundDifference(signature, rest, last);
    }

    // The first reply that differs and may not.
    private DifferingReply? Differ(IReadOnlyList<Operation> program, out bool died)
    {
        died = false;
        var ours = new ulong[program.Count];
        var at = -_subject.First.Count;
        _board.Run([.. _subject.First, .. program], (_, reply) =>
        {
            if (at >= 0)
                ours[at] = reply ?? 0;
            at++;
        });
        ulong[] theirs;
        try
        {
            theirs = _qemu.Run(program, ours);
        }
        catch (QemuDiedException)
        {
            died = true;
            Deaths++;
            return null;
        }
        for (var i = 0; i < program.Count; i++)
        {
            if (program[i].Kind == OperationKind.Read && ours[i] != theirs[i] && !IsAllowed(program, i, ours[i] ^ theirs[i]))
                return new DifferingReply(i, ours[i], theirs[i]);
        }
        return null;
    }

    private bool IsAllowed(IReadOnlyList<Operation> program, int at, ulong bits)
    {
        if (_allowed.Count == 0)
            return false;
        var register = NameOf(program, at);
        List<AllowedDifference> matching = [.. _allowed.Where(each => each.Register == register && (each.Mask & bits) != 0
            && each.After.All(name => Enumerable.Range(0, at).Any(before => program[before].Kind == OperationKind.Write && NameOf(program, before) == name)))];
        if ((bits & ~matching.Aggregate(0UL, (mask, each) => mask | each.Mask)) != 0)
            return false;
        foreach (var each in matching)
            _uses[each] = _uses.GetValueOrDefault(each) + 1;
        return true;
    }

    // By the device's own map; of a register that an index chooses, with the index.
    private string NameOf(IReadOnlyList<Operation> program, int at)
    {
        var operation = program[at];
        if (operation is { Space: AddressSpace.Port, Address: 0x71 })
        {
            for (var before = at - 1; before >= 0; before--)
            {
                if (program[before] is { Kind: OperationKind.Write, Space: AddressSpace.Port, Address: 0x70 } index)
                    return $"DATA[0x{index.Value & 0x7f:x2}]";
            }
            return "DATA";
        }
        foreach (var window in _windows)
        {
            if (window.Space != operation.Space || !window.Contains(operation.Address))
                continue;
            var offset = operation.Address - window.Base;
            var wanted = operation.Kind == OperationKind.Read ? RegisterAccess.Read : RegisterAccess.Write;
            var register = window.Registers.FirstOrDefault(each => each.Offset == offset && (each.Access & wanted) != 0) ?? window.Registers.LastOrDefault(each => each.Offset <= offset && offset < each.Offset + (uint)each.Width);
            var region = window.Name[(window.Name.IndexOf('/', StringComparison.Ordinal) + 1)..];
            return _windows.Count == 1 ? register?.Name ?? $"+0x{offset:x}" : $"{region}/{register?.Name ?? $"+0x{offset:x}"}";
        }
        if (operation is { Space: AddressSpace.Mmio, Address: >= VirtioPrograms.Used + 4 and < VirtioPrograms.Buffers, Size: 8 })
            return "used ring";
        return operation.Address - VirtioPrograms.Arena < VirtioPrograms.ArenaBytes && operation.Space == AddressSpace.Mmio ? $"ram+0x{operation.Address - VirtioPrograms.Arena:x}" : $"0x{operation.Address:x}";
    }
}

using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Qemu;

namespace Gauntlet.Fuzz.Diverge;

/// <summary>Runs programs on a QEMU, each from a reset; replaces it when it dies.</summary>
internal sealed class QemuSide(DivergenceSubject subject, QemuCommand command) : IDisposable
{
    // How long an answer may come after what asked for it, in looks at it.
    private const int MostLooks = 400;

    private static readonly TimeSpan BetweenLooks = TimeSpan.FromMicroseconds(250);

    private readonly List<Operation> _first = [.. subject.QemuFirst, .. subject.First];
    private QemuProcess? _process;

    /// <summary>What each operation of a program reads.</summary>
    /// <param name="expected">What the other side read, in whose hope an answer to a notification is waited for.</param>
    /// <exception cref="QemuDiedException">It did not outlive the program.</exception>
    public ulong[] Run(IReadOnlyList<Operation> program, IReadOnlyList<ulong> expected)
    {
        try
        {
            _process ??= new QemuProcess(command);
            _process.Reset();
            _process.Run(_first);
            var replies = new ulong[program.Count];
            for (var at = 0; at < program.Count;)
            {
                var end = at;
                while (end < program.Count && !VirtioPrograms.IsNotification(program[end]))
                    end++;
                end = Math.Min(end + 1, program.Count);
                Copy(_process.Run([.. program.Skip(at).Take(end - at)]), replies.AsSpan(at));
                at = end;
                if (at < program.Count)
                    Await(_process, program[at], expected[at]);
            }
            return replies;
        }
        catch (QemuDiedException)
        {
            End();
            throw;
        }
    }

    public void Dispose() => End();

    // Reading the used ring's index changes nothing.
    private static void Await(QemuProcess process, Operation next, ulong expected)
    {
        if (next.Kind != OperationKind.Read || next.Address != VirtioPrograms.Used + 2)
            return;
        for (var left = MostLooks; left > 0 && process.Run([next])[0] != expected; left--)
            Thread.Sleep(BetweenLooks);
    }

    private static void Copy(IReadOnlyList<ulong> from, Span<ulong> to)
    {
        for (var i = 0; i < from.Count; i++)
            to[i] = from[i];
    }

    private void End()
    {
        _process?.Dispose();
        _process = null;
    }
}

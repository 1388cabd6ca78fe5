using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>
/// Tells whether runs of programs showed something that none did before: from the map of an instrumented QEMU, or from what any QEMU traces and replies. Programs
/// run together, as resets between them take most of the time; where that shows something new, each is run alone.
/// </summary>
internal interface IQemuFeedback : IDisposable
{
    /// <summary>Seen so far.</summary>
    int Features { get; }

    /// <summary>The process has told so much that another must take its place.</summary>
    bool IsFull { get; }

    /// <summary>What a run told is the program's own: it need not be run again.</summary>
    bool IsExact { get; }

    /// <summary>Learns what the machine does by itself.</summary>
    /// <param name="idle">Operations that do not touch the device.</param>
    void Calibrate(QemuCommand command, IReadOnlyList<Operation> idle);

    /// <summary>A process that tells.</summary>
    QemuProcess Start(QemuCommand command);

    /// <summary>Before each run.</summary>
    void Begin();

    /// <summary>After the reset behind a run: whether it showed something new. Nothing counts as seen yet.</summary>
    bool IsNew(IReadOnlyList<Operation> program, IReadOnlyList<ulong> replies, QemuProcess process);

    /// <summary>After another run, of a part of what <see cref="IsNew"/> was told of: how much of what is new that one shows; it counts as seen from now on.</summary>
    /// <param name="isSame">It is not a part, but all of it.</param>
    int Take(IReadOnlyList<Operation> program, IReadOnlyList<ulong> replies, QemuProcess process, bool isSame);

    /// <summary>When all parts were run: what was new, and how much of it no part showed.</summary>
    int Settle();
}

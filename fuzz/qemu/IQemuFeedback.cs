using Gauntlet.Fuzz.Programs;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>Tells whether a run of a program showed something that none did before: from the map of an instrumented QEMU, or from what any QEMU traces and replies.</summary>
internal interface IQemuFeedback : IDisposable
{
    /// <summary>Seen so far.</summary>
    int Features { get; }

    /// <summary>The process has told so much that another must take its place.</summary>
    bool IsFull { get; }

    /// <summary>Learns what the machine does by itself.</summary>
    /// <param name="idle">Operations that do not touch the device.</param>
    void Calibrate(QemuCommand command, IReadOnlyList<Operation> idle);

    /// <summary>A process that tells.</summary>
    QemuProcess Start(QemuCommand command);

    /// <summary>Before each program.</summary>
    void Begin();

    /// <summary>After its reset: how much of what the program showed is new, and counts as seen from now on.</summary>
    /// <param name="again">Runs the program once more on the same process, with its reset.</param>
    int Take(IReadOnlyList<Operation> program, IReadOnlyList<ulong> replies, QemuProcess process, Action again);
}

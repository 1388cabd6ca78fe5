using System.Diagnostics;
using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Triage;
using Gauntlet.Harness.Drivers;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>Makes a program that kills a QEMU small, and tells what it kills it by.</summary>
public sealed class QemuTriage(QemuCommand command)
{
    private const int Confirmations = 3, MostTries = 600, MostSlowTries = 160;

    private static readonly TimeSpan LongestMinimizing = TimeSpan.FromSeconds(90);

    /// <summary>Null when it does not happen three times of three from its script on a fresh process.</summary>
    /// <param name="status">That the process ended with.</param>
    /// <param name="signature">From its words; null where it died without any.</param>
    public (QemuFailure Failure, IReadOnlyList<Operation> Program)? Judge(IReadOnlyList<Operation> program, int status, string? signature)
    {
        var small = Minimize(program, status, signature);
        var script = QemuScript.From(small);
        for (var i = 0; i < Confirmations; i++)
        {
            if (QemuScript.Play(command, script) is not { } end || !IsSame(end, status, signature))
            {
                // Too small for chance: what was found stays as it was.
                if (ReferenceEquals(small, program))
                    return null;
                (small, script, i) = (program, QemuScript.From(program), -1);
            }
        }
        return QemuScript.Play(command, script, symbolize: true) is { } last ? (Named(script, last), small) : null;
    }

    /// <summary>As <see cref="Judge"/>, whatever it ends with.</summary>
    public (QemuFailure Failure, IReadOnlyList<Operation> Program)? JudgeAny(IReadOnlyList<Operation> program) =>
        QemuScript.Play(command, QemuScript.From(program)) is { } end ? Judge(program, end.Status, QemuFailure.FromWords(end.Status, end.Errors)?.Bucket) : null;

    /// <summary>What a program ends a fresh process with, three times of three and as it is; null when one outlives it.</summary>
    public QemuFailure? Confirm(IReadOnlyList<Operation> program)
    {
        var script = QemuScript.From(program);
        (int Status, string Errors)? last = null;
        for (var i = 0; i < Confirmations; i++)
        {
            if (QemuScript.Play(command, script) is not { } end || (last is { } before && before.Status != end.Status))
                return null;
            last = end;
        }
        return Named(script, last!.Value);
    }

    private QemuFailure Named(string script, (int Status, string Errors) end)
    {
        if (QemuFailure.FromWords(end.Status, end.Errors) is { } failure)
            return failure;
        var firmware = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(firmware, QtestMachine.Firmware);
            return QemuFailure.Debug(command, firmware, script, end.Status);
        }
        finally
        {
            File.Delete(firmware);
        }
    }

    private static bool IsSame((int Status, string Errors) end, int status, string? signature) =>
        end.Status == status && (signature is null || QemuFailure.FromWords(end.Status, end.Errors)?.Bucket == signature);

    private IReadOnlyList<Operation> Minimize(IReadOnlyList<Operation> program, int status, string? signature)
    {
        List<Operation> commands = [.. program.Where(operation => QemuProcess.IsCommand(operation))];
        using var quick = new QuickTries(command, end => IsSame(end, status, signature));
        var (tries, watch) = (0, Stopwatch.StartNew());
        // A timer or a bottom half may kill it only after a while: then each try is a fresh process that is given the time.
        var smallest = quick.IsFatal(commands)
            ? Minimizer.Reduce(commands, candidate => tries++ < MostTries && watch.Elapsed < LongestMinimizing && quick.IsFatal(candidate))
            : Minimizer.Reduce(commands, candidate => tries++ < MostSlowTries && watch.Elapsed < LongestMinimizing && QemuScript.Play(command, QemuScript.From(candidate)) is { } end && IsSame(end, status, signature));
        return smallest.Count == 0 ? program : smallest;
    }

    /// <summary>Tries on one process, as long as it lives: what does not kill it costs a reset.</summary>
    private sealed class QuickTries(QemuCommand command, Func<(int Status, string Errors), bool> isSame) : IDisposable
    {
        private const int TriesPerProcess = 16;

        private QemuProcess? _process;
        private int _tries;

        public bool IsFatal(List<Operation> program)
        {
            _process ??= new QemuProcess(command);
            try
            {
                _process.Run(program);
                _process.Reset();
                // The next try must not find what this one left.
                if (_process.IsStopped || ++_tries % TriesPerProcess == 0)
                    Dispose();
                return false;
            }
            catch (QemuDiedException died)
            {
                var same = !died.Hangs && isSame((_process.Status, _process.Errors));
                Dispose();
                return same;
            }
        }

        public void Dispose()
        {
            _process?.Dispose();
            _process = null;
        }
    }
}

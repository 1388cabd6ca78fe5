using Gauntlet.Fuzz.Programs;
using Gauntlet.Fuzz.Triage;

namespace Gauntlet.Fuzz.Qemu;

/// <summary>Makes a program that kills a QEMU small, and tells what it kills it by.</summary>
public sealed class QemuTriage(QemuCommand command)
{
    private const int Confirmations = 3, MostTries = 600;

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
        var last = QemuScript.Play(command, script);
        if (last is null)
            return null;
        var failure = QemuFailure.FromWords(last.Value.Status, last.Value.Errors);
        if (failure is null)
        {
            var firmware = Path.GetTempFileName();
            try
            {
                File.WriteAllBytes(firmware, QemuCommand.Firmware);
                failure = QemuFailure.Debug(command, firmware, script, status);
            }
            finally
            {
                File.Delete(firmware);
            }
        }
        return (failure, small);
    }

    private static bool IsSame((int Status, string Errors) end, int status, string? signature) =>
        end.Status == status && (signature is null || QemuFailure.FromWords(end.Status, end.Errors)?.Bucket == signature);

    // Operations that do not kill it cost a reset, those that do a process.
    private IReadOnlyList<Operation> Minimize(IReadOnlyList<Operation> program, int status, string? signature)
    {
        QemuProcess? process = null;
        var tries = 0;
        try
        {
            var smallest = Minimizer.Reduce([.. program.Where(operation => QemuProcess.IsCommand(operation))], candidate =>
            {
                if (tries++ > MostTries)
                    return false;
                process ??= new QemuProcess(command);
                try
                {
                    process.Run(candidate);
                    process.Reset();
                    // The next try must not find what this one left.
                    if (process.IsStopped || tries % 16 == 0)
                        Drop();
                    return false;
                }
                catch (QemuDiedException died)
                {
                    var same = !died.Hangs && IsSame((process.Status, process.Errors), status, signature);
                    Drop();
                    return same;
                }
            });
            return smallest.Count == 0 ? program : smallest;
        }
        finally
        {
            Drop();
        }

        void Drop()
        {
            process?.Dispose();
            process = null;
        }
    }
}

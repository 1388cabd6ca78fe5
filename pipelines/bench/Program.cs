using Gauntlet.Pipelines.Bench;
using Gauntlet.Pipelines.Checks;

// The hot entry by itself, so that its start-up can be measured against a checkpatch.pl's.
if (args is ["check", ..])
    return CheckProgram.Main(args[1..]);
try
{
    if (args is ["gate", ..])
        return await GateOverhead.RunAsync(args[1..]);
    return Comparison.Run(ComparisonOptions.Parse(args));
}
catch (CheckException e)
{
    Console.Error.WriteLine($"bench: {e.Message}");
    return e.ExitCode;
}
catch (ArgumentException e)
{
    Console.Error.WriteLine($"bench: {e.Message}");
    return 2;
}

using Gauntlet.Harness.Scheduling;
using Gauntlet.Results.Records;

namespace Gauntlet.Harness.Tests.Running;

/// <summary>Watches a run and says nothing.</summary>
internal sealed class Silent : IRunObserver
{
    public void Started(Job job)
    {
    }

    public void Ended(JobResult result)
    {
    }
}
